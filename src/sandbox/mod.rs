//! A WeCom that runs on a desk.
