//! Tables of sites: allele frequencies, genotype counts, association results (`5-4(2)(ii)`).

mod difference;
mod group;
mod info;
mod plan;
mod profile;
pub mod roles;
mod sketch;
pub mod table;
#[cfg(test)]
mod tests;
pub mod vcf;
