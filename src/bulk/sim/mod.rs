//! A simulator of all that can go wrong between the dispatcher, the store and WeCom: one thread,
//! virtual time, everything by a seed, so that each run can be repeated bit by bit.
//!
//! `world` has the events and the drivers, `disk` the store, `far` WeCom with its ledger, `verdict`
//! the four promises that each run is checked for.

mod disk;
mod far;
mod tests;
mod verdict;
mod world;
