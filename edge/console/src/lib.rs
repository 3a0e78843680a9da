//! The situation as web pages and JSON.
