//! Tables of sites: allele frequencies, genotype counts, association results (`5-4(2)(ii)`).

#[cfg(test)]
mod ahead;
mod difference;
mod group;
mod info;
mod plan;
pub mod profile;
mod quick;
pub mod roles;
mod sketch;
pub mod table;
#[cfg(test)]
mod tests;
pub mod vcf;
