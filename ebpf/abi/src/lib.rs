//! Data and the decision shared by kernel programs and loader.
#![no_std]
