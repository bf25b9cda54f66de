//! Where paths come from: graphs of store paths, and what they refer to.
