-- Why: a reviewer asks for the causes of all open dead letters, which may be a million after a bad night, and
-- leafs through the newest ones. The first index holds everything that causes are grouped and counted by, so that
-- the rows themselves are not read; the second is the order in which they are leafed through.

CREATE INDEX dead_letters_cause ON dead_letters (status, kind, reason, fingerprint, failed_at, id);
CREATE INDEX dead_letters_failed ON dead_letters (failed_at, id);
