//! (placeholder of the skeleton)
/// placeholder
#[derive(Debug)]
pub struct Endpoint;
