//! What rides along in a PNG is found, and its copy holds the pixels only.

use crate::readers::testing::{check, fix_with, shared};
use sekisho_policy::{Policy, RequestInfo, Verdict};
use std::io::Write;

fn chunk(kind: &[u8], data: &[u8]) -> Vec<u8> {
    let mut crc = flate2::Crc::new();
    let body = [kind, data].concat();
    crc.update(&body);
    [&(data.len() as u32).to_be_bytes()[..], &body, &crc.sum().to_be_bytes()].concat()
}

fn pixels(bytes: usize) -> Vec<u8> {
    let mut z = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
    z.write_all(&vec![0; bytes]).unwrap();
    z.finish().unwrap()
}

/// A grey picture of 30 × 20 with this between its header and its pixels, and that behind its end.
fn png(extra: &[u8], bytes: usize, behind: &[u8]) -> Vec<u8> {
    let header = [0, 0, 0, 30, 0, 0, 0, 20, 8, 0, 0, 0, 0];
    [
        b"\x89PNG\r\n\x1a\n".as_slice(),
        &chunk(b"IHDR", &header),
        extra,
        &chunk(b"IDAT", &pixels(bytes)),
        &chunk(b"IEND", b""),
        behind,
    ]
    .concat()
}

#[test]
fn a_plain_picture_passes() {
    assert_eq!(check(&png(b"", 31 * 20, b"")).verdict, Verdict::Pass);
    assert_eq!(check(&png(&chunk(b"tEXt", b"Software\0matplotlib"), 31 * 20, b"")).verdict, Verdict::Pass);
    let Some(root) = shared() else { return };
    let real = check(&std::fs::read(root.join("plots/plinkQC_checkAncestry_pca.png")).unwrap());
    assert_eq!(real.verdict, Verdict::Pass, "{:#?}", real.findings);
}

/// A picture of 60 × 40 in colour, its pixels by column and row.
fn painted(depth: u8, colour: u8, extra: &[u8], pixel: impl Fn(u32, u32) -> Vec<u8>) -> Vec<u8> {
    let mut raw = Vec::new();
    for y in 0..40 {
        raw.push(0);
        (0..60).for_each(|x| raw.extend(pixel(x, y)));
    }
    let mut z = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
    z.write_all(&raw).unwrap();
    [
        b"\x89PNG\r\n\x1a\n".as_slice(),
        &chunk(b"IHDR", &[0, 0, 0, 60, 0, 0, 0, 40, depth, colour, 0, 0, 0]),
        extra,
        &chunk(b"IDAT", &z.finish().unwrap()),
        &chunk(b"IEND", b""),
    ]
    .concat()
}

/// Nothing like chance about it, and nothing repeats.
fn bit(x: u32, y: u32) -> u8 {
    let mixed = (x * 60 + y + 1).wrapping_mul(0x9e37_79b9);
    ((mixed ^ mixed >> 15).wrapping_mul(0x85eb_ca6b) >> 31) as u8
}

fn fixed(bytes: &[u8]) -> (Verdict, String, Vec<u8>) {
    let (report, copy) = fix_with(bytes, &Policy::default(), &RequestInfo::default(), true);
    let (holds, copy) = copy.unwrap();
    (report.verdict, holds, copy)
}

#[test]
fn the_copy_has_every_pixel_and_nothing_else() {
    let square = |x: u32, y: u32| if (10..30).contains(&x) && (10..30).contains(&y) { 200 } else { 255 };
    let plain = painted(8, 2, b"", |x, y| vec![square(x, y), 20, 30]);
    let (_, _, wanted) = fixed(&plain);
    for (name, bytes) in [
        ("exif", painted(8, 2, &chunk(b"eXIf", &[0; 40]), |x, y| vec![square(x, y), 20, 30])),
        ("sixteen bits", painted(16, 2, b"", |x, y| vec![square(x, y), bit(x, y), 20, 1, 30, 2])),
        ("opacity", painted(8, 6, b"", |x, y| vec![square(x, y), 20, 30, 255])),
    ] {
        let (verdict, holds, copy) = fixed(&bytes);
        assert_eq!(verdict == Verdict::Pass, name == "opacity", "{name}");
        assert_eq!(copy, wanted, "{name}");
        assert!(holds.contains("every visible pixel kept"), "{holds}");
    }
    assert_eq!(check(&wanted).verdict, Verdict::Pass);
    let Some(root) = shared() else { return };
    let real = std::fs::read(root.join("plots/plinkQC_checkAncestry_pca.png")).unwrap();
    let (_, holds, copy) = fixed(&real);
    assert!(holds.contains("every visible pixel kept; left out: iCCP (1049 bytes)"), "{holds}");
    assert_eq!(check(&copy).verdict, Verdict::Pass);
    assert_eq!(fixed(&copy).2, copy);
}

#[test]
fn data_in_pixels_is_found_and_does_not_survive_the_copy() {
    let palette = chunk(b"PLTE", &[255, 255, 255, 0, 0, 0, 255, 255, 255]);
    for (name, survives, bytes) in [
        ("low bits", false, painted(8, 2, b"", |x, y| vec![254 + bit(x, y), 255, 255])),
        ("a few low bits", false, painted(8, 0, b"", |x, y| vec![255 - u8::from(x % 8 == 3 && y % 8 == 3)])),
        ("colours without opacity", false, painted(8, 6, b"", |x, y| vec![9, bit(x, y), 7, 0])),
        ("a colour that is there twice", false, painted(8, 3, &palette, |x, y| vec![2 * bit(x, y)])),
        ("a cell a pixel", true, painted(8, 0, b"", |x, y| vec![127 * (bit(x, y) + bit(y, x))])),
    ] {
        let (verdict, _, copy) = fixed(&bytes);
        assert_eq!(verdict, Verdict::Review, "{name}");
        assert_eq!(check(&copy).verdict == Verdict::Review, survives, "{name}");
    }
}

#[test]
fn what_rides_along_is_found() {
    for (name, bytes) in [
        ("trailing bytes", png(b"", 31 * 20, b"rs1 A G 3")),
        ("unknown chunk", png(&chunk(b"daTa", b"rs1 A G 3"), 31 * 20, b"")),
        ("long text", png(&chunk(b"tEXt", &[b'x'; 400]), 31 * 20, b"")),
        ("exif", png(&chunk(b"eXIf", &[0; 40]), 31 * 20, b"")),
        ("more pixels", png(b"", 31 * 20 + 1000, b"")),
        ("texts", png(&chunk(b"tEXt", &[b'x'; 100]).repeat(3), 31 * 20, b"")),
        ("a chunk twice", png(&chunk(b"pHYs", &[7; 9]).repeat(2), 31 * 20, b"")),
        ("no profile", png(&chunk(b"iCCP", &[b'x'; 400]), 31 * 20, b"")),
        ("fewer pixels", png(b"", 31 * 10, b"")),
    ] {
        assert_ne!(check(&bytes).verdict, Verdict::Pass, "{name}");
    }
    let mut broken = png(b"", 31 * 20, b"");
    let last = broken.len() - 6;
    broken[last] ^= 1;
    assert_ne!(check(&broken).verdict, Verdict::Pass, "checksum");
    assert_ne!(check(&png(b"", 31 * 20, b"")[..60]).verdict, Verdict::Pass, "cut short");
}

/// Whole rows and columns of cells, as a heat map has them; `value` is of a cell.
fn cells(value: impl Fn(u32, u32) -> u8) -> Vec<u8> {
    painted(8, 0, b"", |x, y| vec![value(x / 2, y / 2)])
}

#[test]
fn a_map_of_cells_is_for_the_officer_and_stays_so() {
    // 30 columns and 20 rows of three greys, as genotypes would be; then of one colour but for a frame.
    let map = cells(|x, y| 120 * (bit(x, y) + bit(y + 77, x)));
    let (verdict, _, copy) = fixed(&map);
    assert_eq!((verdict, check(&copy).verdict), (Verdict::Review, Verdict::Review));
    assert_eq!(check(&cells(|x, _| 250 * u8::from(x == 0))).verdict, Verdict::Pass);
}
