use crate::readers::testing::{check, check_with, fix_with, shared, worst};
use sekisho_policy::request::FileInfo;
use sekisho_policy::schema::{Reading, Weight};
use sekisho_policy::{FileReport, Policy, RequestInfo, Verdict};

fn real(name: &str) -> Option<FileReport> {
    real_with(name, &Policy::default(), &RequestInfo::default())
}

fn real_with(name: &str, policy: &Policy, request: &RequestInfo) -> Option<FileReport> {
    let bytes = std::fs::read(shared()?.join(name)).unwrap();
    Some(check_with(&bytes, policy, request))
}

/// A PLINK frequency table of 1000 subjects, one row a minor allele count.
fn frq(counts: &[u64], chromosomes: u64) -> Vec<u8> {
    let mut text = String::from(" CHR         SNP   A1   A2          MAF  NCHROBS\n");
    for (at, count) in counts.iter().enumerate() {
        let maf = *count as f64 / chromosomes as f64;
        text += &format!("   1  {:>10}    A    G  {maf:>11.6}  {chromosomes:>7}\n", format!("rs{}", at + 1));
    }
    text.into_bytes()
}

#[test]
fn real_frequency_tables_get_their_verdict_and_their_numbers() {
    let Some(report) = real("freq/saige_plinkforGRM.frq") else { return };
    assert_eq!((report.verdict, report.kind.as_str()), (Verdict::Block, "plink_frq"));
    let messages: Vec<&str> = report.findings.iter().map(|f| f.message.as_str()).collect();
    assert!(messages.iter().any(|m| m.starts_with("24 of 10,000 sites")), "{messages:?}");
    assert!(messages.iter().any(|m| m.starts_with("274 of 10,000 sites")), "{messages:?}");
    for (file, verdict) in [
        ("freq/plinkQC_data.frq", Verdict::Block),
        ("freq/hapmap3.hg38.EAF.tsv.gz", Verdict::Review),
        ("gwas/regenie_bin_firth_Y1.regenie", Verdict::Pass),
        ("gwas/bolt_example.stats", Verdict::Block),
        ("gwas/eduAttainOkbay.txt", Verdict::Review),
        ("freq/1kg.sites.vcf.gz", Verdict::Block),
        ("freq/hail_sampleInfoOnly.vcf", Verdict::Block),
    ] {
        let report = real(file).unwrap();
        assert_eq!(report.verdict, verdict, "{file}: {:#?}", report.findings);
    }
}

#[test]
fn an_unstated_denominator_gives_the_exact_numbers() {
    let Some(report) = real("gwas/bolt_example.stats") else { return };
    let messages: Vec<&str> = report.findings.iter().map(|f| f.message.as_str()).collect();
    assert!(messages.iter().any(|m| m.starts_with("280 of 5,475 sites")), "{messages:?}");
    assert!(messages.iter().any(|m| m.starts_with("670 of 5,475 sites")), "{messages:?}");
}

#[test]
fn under_the_denominator_reading_only_the_group_counts() {
    let mut policy = Policy::default();
    policy.frequency.reading = Reading::Denominator;
    for (file, verdict) in [
        ("freq/saige_plinkforGRM.frq", Verdict::Pass),
        ("freq/plinkQC_data.frq", Verdict::Block),
        ("gwas/bolt_example.stats", Verdict::Pass),
        ("freq/1kg.sites.vcf.gz", Verdict::Pass),
        ("freq/hail_sampleInfoOnly.vcf", Verdict::Block),
        ("gwas/eduAttainOkbay.txt", Verdict::Review),
        ("freq/hapmap3.hg38.EAF.tsv.gz", Verdict::Review),
    ] {
        let Some(report) = real_with(file, &policy, &RequestInfo::default()) else { return };
        assert_eq!(report.verdict, verdict, "{file}: {:#?}", report.findings);
    }
}

#[test]
fn a_declared_group_decides_a_table_without_denominators() {
    let mut request = RequestInfo::default();
    let info = FileInfo { groups: [("JPT".to_owned(), 104)].into(), ..FileInfo::default() };
    request.files.insert("file".into(), info);
    let Some(report) = real_with("freq/hapmap3.hg38.EAF.tsv.gz", &Policy::default(), &request) else {
        return;
    };
    let found = worst(&report, "small_frequencies").unwrap();
    assert_eq!(found.verdict, Verdict::Block);
    assert!(found.message.starts_with("3,957 of 30,000 sites"), "{}", found.message);
}

#[test]
fn a_declared_number_clears_a_large_meta_analysis() {
    let request = RequestInfo { subjects: Some(293_723), ..RequestInfo::default() };
    let Some(report) = real_with("gwas/eduAttainOkbay.txt", &Policy::default(), &request) else { return };
    assert_eq!(report.verdict, Verdict::Pass, "{:#?}", report.findings);
}

#[test]
fn nine_copies_block_ten_to_eighteen_are_reviewed_nineteen_pass() {
    let verdict = |count| check(&frq(&[count, 400, 333, 512], 2000)).verdict;
    assert_eq!(verdict(9), Verdict::Block);
    assert_eq!(verdict(10), Verdict::Review);
    assert_eq!(verdict(18), Verdict::Review);
    assert_eq!(verdict(19), Verdict::Pass);
}

#[test]
fn the_major_allele_counts_too() {
    assert_eq!(check(&frq(&[1991, 400, 333], 2000)).verdict, Verdict::Block);
    assert_eq!(check(&frq(&[1990, 400, 333], 2000)).verdict, Verdict::Review);
    assert_eq!(check(&frq(&[1981, 400, 333], 2000)).verdict, Verdict::Pass);
}

#[test]
fn nine_subjects_block_ten_do_not() {
    assert_eq!(check(&frq(&[9, 9, 9], 18)).verdict, Verdict::Block);
    let report = check(&frq(&[10, 10, 10], 20));
    assert!(report.findings.iter().all(|f| !f.message.contains("looked at")), "{:#?}", report.findings);
}

#[test]
fn monomorphic_sites_follow_policy() {
    let table = frq(&[0, 400, 333], 2000);
    assert_eq!(check(&table).verdict, Verdict::Review);
    let mut policy = Policy::default();
    policy.counts.zero = Weight::Pass;
    assert_eq!(check_with(&table, &policy, &RequestInfo::default()).verdict, Verdict::Pass);
}

#[test]
fn a_tightened_limit_is_obeyed() {
    let mut policy = Policy::default();
    policy.counts.minimum = 20;
    let verdict =
        |count| check_with(&frq(&[count, 400, 333], 2000), &policy, &RequestInfo::default()).verdict;
    assert_eq!(
        [verdict(19), verdict(20), verdict(38), verdict(39)],
        [Verdict::Block, Verdict::Review, Verdict::Review, Verdict::Pass]
    );
}

#[test]
fn renaming_the_columns_never_makes_a_table_pass() {
    let table = String::from_utf8(frq(&[3, 400, 333, 7], 2000)).unwrap();
    for (from, to) in
        [("MAF", "XYZ"), ("NCHROBS", "POINTS"), ("MAF", "P"), ("MAF", "INFO"), ("MAF", "F_MISS")]
    {
        assert_ne!(check(table.replacen(from, to, 1).as_bytes()).verdict, Verdict::Pass, "{from} as {to}");
    }
    let counts = "CHR SNP A1 A2 C1 C2 G0\n1 rs1 A G 3 1997 0\n1 rs2 A G 400 1600 0\n";
    assert_eq!(check(counts.as_bytes()).verdict, Verdict::Block);
    for (from, to) in [("C1", "BETA"), ("C1", "BLAH")] {
        assert_ne!(check(counts.replacen(from, to, 1).as_bytes()).verdict, Verdict::Pass, "{from} as {to}");
    }
}

#[test]
fn every_plink_and_results_form_blocks_its_planted_row_and_passes_without_it() {
    for (form, good, bad) in [
        ("CHR SNP A1 A2 C1 C2 G0", "1 rs1 A G 400 1600 0", "1 rs2 A G 9 1991 0"),
        ("CHR SNP CLST A1 A2 MAF MAC NCHROBS", "1 rs1 POP1 A G 0.2 400 2000", "1 rs2 POP1 A G 0.002 4 2000"),
        (
            "CHR SNP A1 A2 MAF_A MAF_U NCHROBS_A NCHROBS_U",
            "1 rs1 A G 0.2 0.25 2000 4000",
            "1 rs2 A G 0.2 0.001 2000 4000",
        ),
        ("#CHROM\tID\tREF\tALT\tALT_FREQS\tOBS_CT", "1\trs1\tA\tG\t0.2\t2000", "1\trs2\tA\tG\t0.0045\t2000"),
        ("#CHROM\tID\tREF\tALT\tALT_CTS\tOBS_CT", "1\trs1\tA\tG\t300,400\t2000", "1\trs2\tA\tG\t300,7\t2000"),
        (
            "#CHROM\tID\tREF\tALT\tHOM_REF_CT\tHET_REF_ALT_CTS\tTWO_ALT_GENO_CTS\tHAP_REF_CT\tHAP_ALT_CTS\tMISSING_CT",
            "1\trs1\tA\tG\t500\t300\t200\t0\t0\t3",
            "1\trs2\tA\tG\t691\t300\t9\t0\t0\t0",
        ),
        (
            "CHR\tSNP\tA1\tA2\tC(HOM A1)\tC(HET)\tC(HOM A2)\tC(HAP A1)\tC(HAP A2)\tC(MISSING)",
            "1\trs1\tA\tG\t100\t300\t600\t0\t0\t0",
            "1\trs2\tA\tG\t1\t300\t699\t0\t0\t0",
        ),
        (
            "CHR SNP TEST A1 A2 GENO O(HET) E(HET) P",
            "1 rs1 ALL A G 100/400/500 0.4 0.42 0.3",
            "1 rs2 ALL A G 5/295/700 0.295 0.3 0.1",
        ),
        (
            "CHR SNP A1 A2 TEST AFF UNAFF CHISQ DF P",
            "1 rs1 A G GENO 20/30/40 90/80/70 2.5 2 0.3",
            "1 rs2 A G GENO 20/30/40 3/80/70 2.5 2 0.3",
        ),
        (
            "CHR SNP A1 A2 TEST AFF UNAFF CHISQ DF P",
            "1 rs1 A G ALLELIC 19/300 90/80 2.5 1 0.3",
            "1 rs2 A G TREND 9/300 90/80 2.5 1 0.3",
        ),
        (
            "phenotype_id variant_id start_distance af ma_samples ma_count pval_nominal slope slope_se",
            "g1 1_100_A_G 5 0.2 180 200 0.01 0.5 0.2",
            "g1 1_200_A_G 7 0.005 4 5 0.01 0.5 0.2",
        ),
        (
            "#CHROM\tPOS\tID\tREF\tALT\tA1\tA1_FREQ\tTEST\tOBS_CT\tBETA\tSE\tT_STAT\tP\tERRCODE",
            "1\t100\trs1\tA\tG\tG\t0.2\tADD\t1000\t0.1\t0.2\t0.5\t0.6\t.",
            "1\t200\trs2\tA\tG\tG\t0.0035\tADD\t1000\t0.1\t0.2\t0.5\t0.6\t.",
        ),
        (
            "CHR POS MarkerID Allele1 Allele2 AC_Allele2 AF_Allele2 MissingRate BETA SE Tstat var p.value AF_case AF_ctrl N_case N_ctrl",
            "1 100 rs1 A G 600 0.2 0 0.1 0.2 0.5 1.5 0.6 0.2 0.2 500 1000",
            "1 200 rs2 A G 605 0.201667 0 0.1 0.2 0.5 1.5 0.6 0.005 0.3 500 1000",
        ),
        (
            "chromosome\tbase_pair_location\teffect_allele\tother_allele\tbeta\tstandard_error\teffect_allele_frequency\tp_value\trsid\tn",
            "1\t100\tA\tG\t0.1\t0.2\t0.3\t0.6\trs1\t5000",
            "1\t200\tA\tG\t0.1\t0.2\t0.0003\t0.6\trs2\t5000",
        ),
        (
            "MarkerName Allele1 Allele2 Freq1 FreqSE Weight Zscore P-value Direction HetISq HetChiSq HetDf HetPVal",
            "rs1 a g 0.2 0.01 5000 1.2 0.2 ++- 0 1.5 2 0.4",
            "rs2 a g 0.0007 0.0001 5000 1.2 0.2 ++- 0 1.5 2 0.4",
        ),
    ] {
        let text = |rows: &[&str]| format!("{form}\n{}\n", rows.join("\n"));
        let clean = check(text(&[good, good, good]).as_bytes());
        let zero_free = clean.findings.iter().filter(|f| f.verdict > Verdict::Pass).collect::<Vec<_>>();
        assert!(zero_free.is_empty(), "{form}: {zero_free:#?}");
        let report = check(text(&[good, bad, good]).as_bytes());
        assert_eq!(report.verdict, Verdict::Block, "{form}: {:#?}", report.findings);
    }
}

#[test]
fn effects_without_a_number_of_subjects_are_reviewed_until_it_is_declared() {
    let table = b"SNP CHR BP A1 A2 BETA SE P\nrs1 1 100 A G 0.11 0.2 0.3\nrs2 1 200 A G 0.12 0.21 0.31\n";
    assert_eq!(check(table).verdict, Verdict::Review);
    let declared = |n| {
        let request = RequestInfo { subjects: Some(n), ..RequestInfo::default() };
        check_with(table, &Policy::default(), &request)
    };
    assert_eq!(declared(500).verdict, Verdict::Pass, "{:#?}", declared(500).findings);
    assert_eq!(declared(9).verdict, Verdict::Block, "{:#?}", declared(9).findings);
}

#[test]
fn a_row_of_another_width_is_a_finding() {
    let mut text = frq(&[400, 333, 512], 2000);
    text.extend_from_slice(b"   1  rs9  A  G  0.0005\n");
    let report = check(&text);
    assert_eq!(worst(&report, "reading").unwrap().verdict, Verdict::Review);
}

#[test]
fn a_stated_number_the_fractions_refute_is_a_finding() {
    let mut text = String::from("CHR SNP A1 A2 MAF NCHROBS\n");
    for k in 20..80 {
        text += &format!("1 rs{k} A G {:.6} 50000\n", f64::from(k) / 160.0);
    }
    let report = check(text.as_bytes());
    assert!(report.findings.iter().any(|f| f.message.contains("does not fit")), "{:#?}", report.findings);
}

#[test]
fn digits_beyond_the_limit_are_reported() {
    let text = "CHR SNP A1 A2 MAF NCHROBS BETA\n1 rs1 A G 0.2 2000 0.1234567\n1 rs2 A G 0.2 2000 0.123456\n";
    let report = check(text.as_bytes());
    let found = worst(&report, "plan_scope").unwrap();
    assert!(found.place.contains("rs1") && !found.place.contains("rs2"), "{}", found.place);
}

#[test]
fn no_bytes_make_the_reader_panic() {
    use proptest::prelude::*;
    proptest!(ProptestConfig::with_cases(64), |(cells in proptest::collection::vec("[-0-9.,e/A-Z\"]{0,6}", 0..60))| {
        let mut text = String::from("CHR\tSNP\tA1\tAF\tAN\tC(HET)\tGENO\n");
        for row in cells.chunks(7) {
            text += &(row.join("\t") + "\n");
        }
        let _ = check(text.as_bytes());
    });
}

/// A VCF without subjects, with these INFO fields.
fn vcf(infos: &[&str]) -> Vec<u8> {
    let mut text = String::from("##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n");
    for (at, info) in infos.iter().enumerate() {
        text += &format!("1\t{}\trs{at}\tA\tC\t.\tPASS\t{info}\n", 1000 + at);
    }
    text.into_bytes()
}

#[test]
fn a_sites_vcf_is_judged_by_copies_genotypes_and_groups() {
    for (info, verdict) in [
        ("AC=19;AN=2000", Verdict::Pass),
        ("AC=18;AN=2000", Verdict::Review),
        ("AC=9;AN=2000", Verdict::Block),
        ("AC=0;AN=2000", Verdict::Review),
        ("AC=1995;AN=2000", Verdict::Block),
        ("AC=40,3;AN=2000", Verdict::Block),
        ("AC=100;AN=2000;nhomalt=10", Verdict::Pass),
        ("AC=100;AN=2000;nhomalt=9", Verdict::Block),
        ("AC=100;AN=2000;AC_Het=80;AC_Hom=20;AC_Hemi=0", Verdict::Review),
        ("AC=100;AN=2000;AC_Het=82;AC_Hom=18", Verdict::Block),
        ("AC=100;AN=2000;AC_afr=40;AN_afr=200", Verdict::Pass),
        ("AC=100;AN=2000;AC_afr=4;AN_afr=200", Verdict::Block),
        ("AC=100;AN=2000;AC_afr=8;AN_afr=16", Verdict::Block),
        ("AC=100;AN=2000;AF_afr=0.2", Verdict::Review),
        ("AC=100;AN=2000;AF_afr=0.005;AN_afr=600", Verdict::Block),
        ("AC=100;AN=2000;XX=3", Verdict::Review),
        ("AC=100;AN=2000;DP=3;MQ0=4;VT=SNP", Verdict::Pass),
        ("AC=100;AN=18", Verdict::Block),
        ("AC=many;AN=2000", Verdict::Review),
    ] {
        let report = check(&vcf(&["AC=400;AN=2000", info]));
        assert_eq!(report.verdict, verdict, "{info}: {:#?}", report.findings);
        assert_eq!(report.kind, "vcf_sites");
    }
}

#[test]
fn a_malformed_record_is_a_finding() {
    for record in ["1\t5\trs1\tA", "one line of prose", "1\tx\trs1\tA\tC\t.\t.\tAC=100;AN=2000"] {
        let mut text = vcf(&["AC=400;AN=2000"]);
        text.extend_from_slice(record.as_bytes());
        text.push(b'\n');
        assert_ne!(check(&text).verdict, Verdict::Pass, "{record}");
    }
    assert_ne!(check(b"##fileformat=VCFv4.2\n").verdict, Verdict::Pass);
}

/// The filtered copy of a file, judged again.
fn fixed(content: &[u8]) -> Option<(String, Vec<u8>, FileReport)> {
    let (words, copy) = fix_with(content, &Policy::default(), &RequestInfo::default(), true).1?;
    let report = check(&copy);
    Some((words, copy, report))
}

#[test]
fn the_filtered_copy_keeps_every_safe_site_and_passes() {
    let (words, copy, report) = fixed(&frq(&[400, 9, 18, 0, 19, 1990], 2000)).unwrap();
    assert_eq!(words, "sites with minor allele count ≥ 19 kept: 2 of 6");
    assert_eq!(report.verdict, Verdict::Pass, "{:#?}", report.findings);
    let text = String::from_utf8(copy).unwrap();
    assert!(text.starts_with(" CHR         SNP"), "the header stays: {text}");
    assert!(text.contains(" rs1 ") && text.contains(" rs5 ") && !text.contains(" rs2 "), "{text}");
}

#[test]
fn the_filtered_copy_of_a_vcf_stays_a_vcf_and_passes() {
    let records = ["AC=400;AN=2000;AF_afr=0.2", "AC=3;AN=2000;AF_afr=0.2", "AF_afr=0.2;AC=300;AN=2000;XX=2"];
    let (words, copy, report) = fixed(&vcf(&records)).unwrap();
    assert_eq!(words, "sites with minor allele count ≥ 19 kept: 2 of 3; INFO keys left out: AF_afr, XX");
    assert_eq!(report.verdict, Verdict::Pass, "{:#?}", report.findings);
    let text = String::from_utf8(copy).unwrap();
    assert!(text.starts_with("##fileformat=VCFv4.2\n##sekisho_filtered="), "{text}");
    assert!(text.contains("\tAC=300;AN=2000\n") && !text.contains("AC=3;"), "{text}");
}

#[test]
fn digits_beyond_the_limit_are_rounded_in_the_copy() {
    let table = "CHR SNP A1 A2 MAF NCHROBS BETA\n1 rs1 A G 0.2 2000 0.123456789\n";
    let (_, copy, report) = fixed(table.as_bytes()).unwrap();
    assert_eq!(report.verdict, Verdict::Pass, "{:#?}", report.findings);
    assert!(String::from_utf8(copy).unwrap().contains("2000 0.123457\n"));
}

#[test]
fn no_copy_is_offered_where_none_would_help() {
    let unknown = "CHR SNP A1 A2 EAF BETA\n1 rs1 A G 0.2 0.1\n";
    assert!(fixed(unknown.as_bytes()).is_none());
    assert!(fixed(&frq(&[1, 2, 3], 2000)).is_none(), "nothing would be left");
}

#[test]
fn real_files_have_copies_that_pass() {
    for (file, words) in [
        ("freq/saige_plinkforGRM.frq", "sites with minor allele count ≥ 19 kept: 9,702 of 10,000"),
        ("freq/1kg.sites.vcf.gz", "sites with minor allele count ≥ 19 kept: 97 of 171"),
        ("gwas/bolt_example.stats", "sites with minor allele count ≥ 19 kept: 4,525 of 5,475"),
    ] {
        let Some(root) = shared() else { return };
        let (said, _, report) = fixed(&std::fs::read(root.join(file)).unwrap()).unwrap();
        assert!(said.starts_with(words), "{file}: {said}");
        assert_eq!(report.verdict, Verdict::Pass, "{file}: {:#?}", report.findings);
    }
}
