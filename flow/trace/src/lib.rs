//! Time-respecting reach, routes, coverage and claims.
