//! No bytes make the inspector panic, and no bytes make its answer large.

use crate::readers::testing::check;
use proptest::prelude::*;
use sekisho_policy::Verdict;

const SEEDS: [&str; 8] = [
    "##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\ta\tb\n1\t100\trs1\tA\tG\t.\t.\tAC=1;AN=4\tGT:DS\t0/1:1\t0/0:0\n1\t200\trs2\tA\tG\t.\t.\t.\tGT:DS\t0/1:1\t./.:.\n",
    "a a 0 0 1 1 A G A A\nb b 0 0 2 2 G G 0 0\nc c 0 0 2 2 G G A T\n",
    "CHR\tSNP\t(C)M\tPOS\tCOUNTED\tALT\ta\tb\tc\n1\trs1\t0\t100\tG\tA\t0\t1\t2\n1\trs2\t0\t200\tG\tA\t2\tNA\t0\n",
    "1 rs1 0 100 A G\n1 rs2 0 200 C T\n",
    "11100\n01212\n21101\n",
    "rs1 1 100 A G 1 0 0 0 1 0\nrs2 1 200 A G 0 0 1 0 0 1\n",
    "id,x1,x2,x3\na,0,1,2\nb,2,1,0\nc,0,0,1\n",
    " CHR SNP A1 A2 MAF NCHROBS\n 1 rs1 A G 0.1 200\n 1 rs2 A G 0.005 200\n",
];

fn one_change(seed: &str, at: usize, what: &[u8], cut: usize) -> Vec<u8> {
    let mut bytes = seed.as_bytes().to_vec();
    let at = at % (bytes.len() + 1);
    let end = (at + cut).min(bytes.len());
    bytes.splice(at..end, what.iter().copied());
    bytes
}

fn survives(bytes: &[u8]) {
    let report = check(bytes);
    assert_eq!(report.bytes, bytes.len() as u64);
    assert!(serde_json::to_vec(&report).unwrap().len() < 4 << 20);
    if bytes.is_empty() {
        assert_ne!(report.verdict, Verdict::Pass);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        survives(&bytes);
    }

    #[test]
    fn any_bytes_behind_a_magic_are_survived(
        magic in 0usize..22, bytes in proptest::collection::vec(any::<u8>(), 0..300)
    ) {
        let magics: [&[u8]; 22] = [
            b"\x1f\x8b\x08", b"\x6c\x1b\x01", b"\x6c\x1b\x10", b"BAM\x01", b"CRAM\x03", b"PK\x03\x04", b"\xff\xfe",
            b"\xfe\xff", b"\xef\xbb\xbf", b"\x89PNG\r\n\x1a\n", b"##fileformat=VCF", b"#CHROM\tPOS\tID\tREF\tALT\t",
            b"X\n\0\0\0\x02\0\x04\x02\0\0\x02\x03\0", b"RDX3\nX\n\0\0\0\x03\0\x04\x02\0\0\x03\x05\0",
            b"\x93NUMPY\x01\x00\x46\x00{'descr': '<f8', 'fortran_order': False, 'shape': (3, ",
            b"\xfd7zXZ\0\0\x04\xe6\xd6\xb4\x46", b"\x28\xb5\x2f\xfd\x20", b"[{\"a\":1},", b"<html><table><tr>",
            b"\\begin{tabular}{ll}", b"| a | b |\n|---|---|\n", b"CRAM\x02\x01",
        ];
        survives(&[magics[magic], &bytes].concat());
    }

    #[test]
    fn any_markup_is_survived(text in "([<>/&;|\\\\{}%$\"'=\\[\\],: 0-9a\n]|<td>|</tr>|<table|<tr>|\\\\begin\\{tabular\\}|\\\\end\\{tabular\\}|\\\\multicolumn|---|é){0,60}") {
        for before in ["", "<html><table><tr>", "\\begin{tabular}{l}", "| a | n |\n|---|---|\n", "{\"a\":"] {
            survives(format!("{before}{text}").as_bytes());
        }
    }

    #[test]
    fn any_table_is_survived(
        rows in proptest::collection::vec(
            proptest::collection::vec("[012ACGTN./|:;\"-]{0,4}|rs[0-9]{1,3}|[0-9]{1,8}|0\\.[0-9]{1,4}|é患者", 0..9), 0..12),
        delimiter in "[\t,; |]"
    ) {
        let text = rows.iter().map(|r| r.join(&delimiter)).collect::<Vec<_>>().join("\n");
        survives(text.as_bytes());
    }

    #[test]
    fn a_damaged_file_is_survived(
        seed in 0usize..SEEDS.len(), at in 0usize..400, cut in 0usize..12,
        what in proptest::collection::vec(any::<u8>(), 0..6)
    ) {
        survives(&one_change(SEEDS[seed], at, &what, cut));
    }
}

#[test]
fn a_million_columns_are_blocked_and_not_a_memory_bomb() {
    let names: String = (0..1_000_000).map(|i| format!(" rs{i}_A")).collect();
    let calls = " 1 0".repeat(500_000);
    let text = format!("FID IID PAT MAT SEX PHENOTYPE{names}\na a 0 0 1 1{calls}\nb b 0 0 2 1{calls}\n");
    let report = check(text.as_bytes());
    assert_eq!(report.verdict, Verdict::Block);
    assert_eq!(report.kind, "plink_raw");
}
