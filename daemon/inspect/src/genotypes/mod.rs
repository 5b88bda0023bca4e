//! Counting what a genotype matrix shows about one person, in a stream.
