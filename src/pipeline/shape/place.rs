//! Where a value stands in an event.

/// Where a value stands. Turned into a JSON Pointer (RFC 6901) only when it is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// An array of the event, and which of its elements.
    element: Option<(&'static str, usize)>,
    /// A pointer from there on, empty or `/…`.
    inside: &'static str,
}

impl Place {
    /// The event itself.
    pub const ROOT: Place = Place { element: None, inside: "" };

    /// The nth element, from 0, of an array of the event.
    #[must_use]
    pub const fn element(array: &'static str, index: usize) -> Self {
        Place { element: Some((array, index)), inside: "" }
    }

    /// What `pointer` (empty or `/…`) leads to from the event, or from the element that this place is in.
    #[must_use]
    pub const fn inside(self, pointer: &'static str) -> Self {
        Place { inside: pointer, ..self }
    }

    /// The pointer of a field at this place.
    #[must_use]
    pub fn field(self, name: &str) -> String {
        format!("{}/{name}", self.pointer())
    }

    /// The pointer of this place.
    #[must_use]
    pub fn pointer(self) -> String {
        match self.element {
            None => self.inside.to_owned(),
            Some((array, index)) => format!("/{array}/{index}{}", self.inside),
        }
    }
}
