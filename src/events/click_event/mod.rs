mod changes;
mod sessions;
