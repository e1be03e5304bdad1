//! Reads that go on in another session.
