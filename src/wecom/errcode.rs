//! WeCom's error codes.
