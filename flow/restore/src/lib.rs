//! What comes back in which order, and through which gates.
