//! Tables about people: counts, percentages, margins, microdata (`5-4(2)(i)`).

pub mod cells;
mod coded;
mod grid;
mod loci;
mod margins;
pub mod mend;
pub mod personal;
mod persons;
mod shares;
pub mod table;
pub mod words;

#[cfg(test)]
mod tests;
