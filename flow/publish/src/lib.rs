//! The signed status site that tells the public the truth.
