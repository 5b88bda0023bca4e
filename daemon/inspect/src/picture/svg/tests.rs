//! A drawing of shapes passes; what is not drawn is found, and the copy does without it.

use crate::readers::testing::{check, fix_with};
use sekisho_policy::{Policy, RequestInfo, Verdict};

/// A plot of a few points with this before and among them.
fn svg(before: &str, among: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n{before}<svg xmlns=\"http://www.w3.org/2000/svg\" \
         viewBox=\"0 0 400 300\" width=\"400pt\">\n<style type=\"text/css\">*{{stroke-linejoin: round}}</style>\
         <defs><path id=\"m\" d=\"M0 3C.8 3 1.6 2.7 2.1 2.1Z\" style=\"stroke: #1f77b4\"/></defs>\n\
         <g transform=\"translate(20 10) scale(1 -1)\"><use xlink:href=\"#m\" x=\"120.4\" y=\"-33.1\" \
         xmlns:xlink=\"http://www.w3.org/1999/xlink\"/>{among}</g><text x=\"3\" y=\"7\" \
         font-family=\"DejaVu Sans, sans-serif\">PC1 (0.12 %)</text></svg>\n"
    )
}

fn fixed(text: &str) -> (Verdict, String, String) {
    let (report, copy) = fix_with(text.as_bytes(), &Policy::default(), &RequestInfo::default(), true);
    let (holds, copy) = copy.unwrap();
    (report.verdict, holds, String::from_utf8(copy).unwrap())
}

#[test]
fn a_plain_drawing_passes_and_is_its_own_copy() {
    let report = check(svg("", "").as_bytes());
    assert_eq!(report.verdict, Verdict::Pass, "{:#?}", report.findings);
    assert_eq!(report.kind, "svg");
    let (_, holds, copy) = fixed(&svg("", ""));
    assert!(holds.contains("hidden things left out: 0; numbers rounded to 4 digits: 0"), "{holds}");
    assert!(
        copy.contains("d=\"M0 3C0.8 3 1.6 2.7 2.1 2.1Z\"") && copy.contains("xlink:href=\"#i1\""),
        "{copy}"
    );
    assert!(copy.contains("translate(20 10) scale(1 -1)"), "{copy}");
    assert_eq!(fixed(&copy), (Verdict::Pass, holds, copy.clone()));
}

#[test]
fn curves_keep_their_form_when_they_are_written_anew() {
    let among = "<path d=\"M10-20a1.5.5 0 016.5-3e0l.5.5-1.25e1,2\" transform=\"rotate(-45.123456)\"/>";
    let (_, _, copy) = fixed(&svg("", among));
    assert!(
        copy.contains("d=\"M10-20a1.5 0.5 0 0 1 6.5-3l0.5 0.5-12.5 2\" transform=\"rotate(-45.12)\""),
        "{copy}"
    );
}

#[test]
fn what_is_not_drawn_is_found_and_left_out_of_the_copy() {
    for (name, before, among) in [
        ("comment", "<!-- rs1 A G 3 -->", ""),
        ("entity", "<!DOCTYPE svg [<!ENTITY a \"secret\">]>", ""),
        ("title", "", "<circle cx=\"1\" cy=\"2\" r=\"3\"><title>secret</title></circle>"),
        ("desc", "", "<desc>secret</desc>"),
        ("metadata", "", "<metadata><rdf:RDF><a>secret</a></rdf:RDF></metadata>"),
        ("script", "", "<script>var secret = [1, 2]</script>"),
        ("foreign", "", "<foreignObject><p>secret</p></foreignObject>"),
        ("data attribute", "", "<circle cx=\"1\" cy=\"2\" r=\"3\" data-id=\"secret\"/>"),
        ("id of a marker", "", "<circle id=\"secret\" cx=\"1\" cy=\"2\" r=\"3\"/>"),
        ("class of a marker", "", "<circle class=\"NA12878\" cx=\"1\" cy=\"2\" r=\"3\"/>"),
        ("picture", "", "<image width=\"5\" href=\"x.png\"/>"),
        ("data address", "", "<image href=\"data:image/png;base64,secret\"/>"),
        ("linked style", "", "<rect style=\"fill:url(https://secret)\" width=\"1\" height=\"1\"/>"),
        ("event", "", "<rect onclick=\"secret()\" width=\"1\" height=\"1\"/>"),
        ("hidden group", "", "<g display=\"none\"><text>secret</text></g>"),
        ("hidden by style", "", "<g style=\"visibility: hidden\"><text>secret</text></g>"),
        ("white text", "", "<text fill=\"#ffffff\">secret</text>"),
        ("text without size", "", "<text font-size=\"0.1px\">secret</text>"),
        ("text outside text", "", "<g>secret</g>"),
        ("words in a path", "", "<path d=\"M1 2 secret\"/>"),
        ("digits", "", "<circle cx=\"103.45090912\" cy=\"2\" r=\"3\"/>"),
        ("animation", "", "<animate attributeName=\"secret\"/>"),
        ("sheet", "", "<style>.a{content:'secret'}</style>"),
    ] {
        let (verdict, _, copy) = fixed(&svg(before, among));
        assert_eq!(verdict, Verdict::Review, "{name}");
        assert!(
            !copy.contains("secret") && !copy.contains("NA12878") && !copy.contains("rs1"),
            "{name}: {copy}"
        );
        let again = check(copy.as_bytes());
        assert_eq!(again.verdict, Verdict::Pass, "{name}: {copy}\n{:#?}", again.findings);
    }
}

#[test]
fn many_texts_many_colours_and_damage_never_pass() {
    let texts: String = (0..400).map(|i| format!("<text x=\"{i}\">S{i}</text>")).collect();
    let colours: String =
        (0..400).map(|i| format!("<circle r=\"3\" fill=\"#{:06x}\"/>", i * 40_503 % 16_777_216)).collect();
    for among in [texts.as_str(), colours.as_str(), "</g></g>", "<g>"] {
        assert_ne!(check(svg("", among).as_bytes()).verdict, Verdict::Pass);
    }
    assert_ne!(check(svg("", &"<g>".repeat(100_000)).as_bytes()).verdict, Verdict::Pass);
    assert_ne!(check(format!("{}<svg/>", svg("", "")).as_bytes()).verdict, Verdict::Pass);
    let (_, holds, copy) = fixed(&svg("", &colours));
    assert!(holds.contains("colours rounded"), "{holds}");
    assert_eq!(check(copy.as_bytes()).verdict, Verdict::Pass);
}

#[test]
fn cells_in_rows_and_columns_are_for_the_officer_and_points_are_not() {
    let cells = |mark: &dyn Fn(u32, u32) -> String| {
        let marks: String =
            (0..12).flat_map(|x| (0..20).map(move |y| (x, y))).map(|(x, y)| mark(x, y)).collect();
        check(svg("", &marks).as_bytes()).verdict
    };
    let square =
        |x: u32, y: u32| format!("<rect x=\"{}\" y=\"{}\" width=\"9\" height=\"9\"/>", x * 10, y * 10);
    let path = |x: u32, y: u32| format!("<path d=\"M{} {}h9v9h-9z\"/>", x * 10, y * 10);
    let moved = |x: u32, y: u32| {
        format!("<g transform=\"translate({} {})\"><rect width=\"9\" height=\"9\"/></g>", x * 10, y * 10)
    };
    for mark in [&square as &dyn Fn(u32, u32) -> String, &path, &moved] {
        assert_eq!(cells(mark), Verdict::Review);
    }
    let point = |x: u32, y: u32| {
        let i = x * 20 + y;
        format!("<circle cx=\"{}\" cy=\"{}\" r=\"2\"/>", i * 7919 % 3_997, i * 10_473 % 2_999)
    };
    assert_eq!(cells(&point), Verdict::Pass);
}
