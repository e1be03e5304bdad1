//! Sessions in priority groups.
