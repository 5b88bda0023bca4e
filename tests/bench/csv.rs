//! Reads every record of a text separated by tabs with the `csv` crate and counts its fields: what it costs only to read.

use anyhow::{Context as _, Result};

fn main() -> Result<()> {
    let path = std::env::args_os().nth(1).context("which file?")?;
    let mut reader =
        csv::ReaderBuilder::new().delimiter(b'\t').flexible(true).comment(Some(b'#')).from_path(path)?;
    let mut record = csv::ByteRecord::new();
    let (mut records, mut fields) = (0_u64, 0);
    while reader.read_byte_record(&mut record)? {
        records += 1;
        fields += record.len();
    }
    println!("{records} records, {fields} fields");
    Ok(())
}
