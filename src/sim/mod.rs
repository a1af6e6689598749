//! (placeholder of the skeleton)
