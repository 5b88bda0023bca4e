//! One file from descriptor to facts.

use crate::crew::{Crew, Pending};
use crate::detect::{self, Format};
use crate::inside::{self, Inside};
use crate::lines::{self, Block, Blocks, Cut};
use crate::marks::Glance;
use crate::picture;
use crate::readers::scout::{Report, Scout};
use crate::readers::{self, Context, Flow, Found, Sample, TextReader};
use crate::shape::Shape;
use crate::source::{Meter, Source};
use crate::stream::Stream;
use sekisho_policy::FileFacts;
use sekisho_policy::facts::{Coverage, Opaque, OpaqueKind, Part, Problem, ProblemKind, What};
use sekisho_wire::inspect::{Job, Mended};
use std::collections::VecDeque;
use std::fs::File;
use std::io::{Read, Seek};
use std::sync::Arc;

/// Bytes of the beginning that readers choose by.
const SAMPLE: usize = 256 << 10;
/// Up to this size the digest is completed even after proof; a larger file blocks without waiting for it.
const HASH_WHOLE: u64 = 64 << 20;
/// Bytes between two signs of life.
const STEP: u64 = 16 << 20;

/// Reads the file, and writes the filtered copy when there is one to offer.
pub fn run(
    job: &Job,
    file: File,
    copy: Option<File>,
    progress: impl FnMut(u64) -> bool,
) -> (FileFacts, Option<Mended>) {
    run_with(job, file, copy, &Crew::default(), progress)
}

/// The same, with help; what comes of it is the same, too.
pub fn run_with(
    job: &Job,
    file: File,
    copy: Option<File>,
    crew: &Crew,
    mut progress: impl FnMut(u64) -> bool,
) -> (FileFacts, Option<Mended>) {
    // The descriptor may have been read before: a second look shares its offset.
    let (Ok(meta), Ok(()), Ok(again)) = (file.metadata(), (&file).rewind(), file.try_clone()) else {
        return (FileFacts::unreadable(&job.name, "", 0, "the descriptor cannot be used"), None);
    };
    let bytes = meta.len();
    let (source, meter) = Source::new(file);
    let context = Context {
        policy: &job.policy,
        request: &job.request,
        name: &job.name,
        beside: job.beside.as_ref(),
        crew,
    };
    let stream = Stream::open(source, meter.clone(), SAMPLE);
    let mut budget =
        Budget { taken: false, depth: inside::DEPTH, bytes: inside::MOST_BYTES, evidence: MOST_EVIDENCE };
    let mut facts = read(stream, &meter, bytes, &context, &mut budget, &mut progress);
    facts.path = job.name.clone();
    facts.parts.extend(crate::names::look(&job.name, job.policy.counts.minimum));
    let mended = copy.and_then(|copy| match facts.kind.as_str() {
        "png" | "jpeg" => remake(again, copy, picture::copy),
        "svg" => remake(again, copy, picture::svg::copy),
        "notebook" => remake(again, copy, inside::notebook::copy),
        _ if budget.taken => None,
        _ => mend(again, copy, &facts, &context),
    });
    (facts, mended)
}

/// A second pass over a file that is small enough to be made anew as a whole.
fn remake(
    mut again: File,
    mut copy: File,
    how: impl Fn(&[u8]) -> Option<(Vec<u8>, Mended)>,
) -> Option<Mended> {
    again.rewind().ok()?;
    let mut bytes = Vec::new();
    again.take(picture::MOST_BYTES + 1).read_to_end(&mut bytes).ok()?;
    if bytes.len() as u64 > picture::MOST_BYTES {
        return None;
    }
    let (made, words) = how(&bytes)?;
    if std::io::Write::write_all(&mut copy, &made).is_err() {
        // Half a copy is no copy.
        let _ = copy.set_len(0);
        return None;
    }
    Some(words)
}

/// A second pass over a file of results that was read to its end, writing the copy.
fn mend(mut again: File, mut copy: File, facts: &FileFacts, context: &Context<'_>) -> Option<Mended> {
    let results = facts.parts.iter().all(|p| matches!(p, Part::Statistics(_) | Part::Comparable(_)));
    if !results || facts.parts.is_empty() || facts.coverage.stopped_at_proof {
        return None;
    }
    again.rewind().ok()?;
    let (source, meter) = Source::new(again);
    let stream = Stream::open(source, meter, SAMPLE);
    let Format::Text { carriage } = detect::format(stream.head(), stream.head_is_all()) else { return None };
    let shape = Shape::of(stream.head(), stream.head_is_all());
    let sample = Sample { head: stream.head(), whole: stream.head_is_all(), shape };
    let coded: Vec<String> = facts
        .parts
        .iter()
        .filter_map(|p| if let Part::Statistics(table) = p { Some(&table.evidence) } else { None })
        .flatten()
        .filter(|e| e.what == What::CodedColumn)
        .map(|e| e.about.clone())
        .collect();
    let writer = readers::results::copier(&sample, context, &coded)?;
    let mut blocks = Blocks::new(stream, carriage);
    let mended = readers::results::write_copy(writer, &mut blocks, &mut copy);
    if mended.is_none() || blocks.problem().is_some() {
        // Half a copy is no copy.
        let _ = copy.set_len(0);
        return None;
    }
    mended
}

/// How much may still be taken out of files.
struct Budget {
    /// A file was taken apart.
    taken: bool,
    /// Files inside files, this deep.
    depth: usize,
    /// Bytes of all members at all depths.
    bytes: usize,
    /// What may still be said about them, as [`weight`] weighs it.
    evidence: usize,
}

/// Takes a file apart that holds others, and reads every one of them.
fn take_apart(
    stream: &mut Stream,
    how: fn(&[u8]) -> Inside,
    context: &Context<'_>,
    budget: &mut Budget,
    facts: &mut FileFacts,
) {
    let most = inside::MOST_BYTES;
    let mut bytes = Vec::new();
    let ended = stream.by_ref().take(most as u64 + 1).read_to_end(&mut bytes);
    if budget.depth == 0 || bytes.len() > most || ended.is_err() {
        let detail = format!("larger or deeper than is taken apart ({most} bytes)");
        facts.problems.push(Problem::new(ProblemKind::Bomb, "", detail));
        budget.taken = true;
        return;
    }
    budget.taken = true;
    budget.depth -= 1;
    let mut found = how(&bytes);
    drop(bytes);
    facts.kind = found.kind.into();
    facts.coverage.rows = found.members.len() as u64;
    facts.coverage.unit = "members".into();
    facts.parts.extend(found.parts(context.policy.counts.minimum));
    facts.problems.append(&mut found.problems);
    for inside::Member { name, bytes } in found.members {
        if bytes.len() > budget.bytes {
            let detail = format!("more than {} bytes in all", inside::MOST_BYTES);
            facts.problems.push(Problem::new(ProblemKind::Bomb, name, detail));
            break;
        }
        budget.bytes -= bytes.len();
        let length = bytes.len() as u64;
        let (source, meter) = Source::new(std::io::Cursor::new(bytes));
        let stream = Stream::open(source, meter.clone(), SAMPLE);
        let mut member = read(stream, &meter, length, context, budget, &mut |_| true);
        if length == 0 {
            continue;
        }
        if member.parts.is_empty() && member.problems.is_empty() {
            member.problems.push(Problem::new(ProblemKind::Unrecognised, "", ""));
        }
        budget.evidence = budget.evidence.saturating_sub(weight(&member));
        if budget.evidence == 0 {
            facts.problems.push(Problem::new(ProblemKind::Bomb, name, "more is found in it than is judged"));
            break;
        }
        within(&mut member, &name);
        facts.parts.append(&mut member.parts);
        facts.problems.append(&mut member.problems);
    }
    budget.depth += 1;
}

/// Says of everything found in a member which member it was found in.
fn within(member: &mut FileFacts, name: &str) {
    let name: String = name.chars().take(60).collect();
    let placed = |place: &str| if place.is_empty() { name.clone() } else { format!("{name}: {place}") };
    for part in &mut member.parts {
        if let Part::Statistics(table) = part {
            for example in table.evidence.iter_mut().flat_map(|e| &mut e.examples) {
                example.place = placed(&example.place);
            }
        }
        if let Part::Opaque(opaque) = part {
            opaque.detail = placed(&opaque.detail);
        }
    }
    for problem in &mut member.problems {
        problem.place = placed(&problem.place);
    }
}

/// What facts may hold for all members together.
const MOST_EVIDENCE: usize = 200_000;

/// How much the facts of a member hold: sites, examples, and a little for everything.
fn weight(member: &FileFacts) -> usize {
    let part = |part: &Part| match part {
        Part::Genotypes(g) => g.first_sites.len() + g.unlinked_sites.len(),
        Part::SiteList(s) => s.sites.len(),
        Part::Comparable(c) => c.entries.len(),
        Part::Statistics(s) => s.evidence.iter().map(|e| 2 + 2 * e.examples.len()).sum(),
        _ => 1,
    };
    1 + 2 * member.problems.len() + member.parts.iter().map(part).sum::<usize>()
}

fn read(
    mut stream: Stream,
    meter: &Meter,
    bytes: u64,
    context: &Context<'_>,
    budget: &mut Budget,
    progress: &mut dyn FnMut(u64) -> bool,
) -> FileFacts {
    let mut facts = FileFacts { bytes, kind: "unknown".into(), ..FileFacts::default() };
    let mut proven = false;
    match detect::format(stream.head(), stream.head_is_all()) {
        Format::Empty => facts.problems.push(Problem::new(ProblemKind::Empty, "", "")),
        Format::Opaque { format: "PNG", .. } => {
            merge(&mut facts, picture::png::read(&mut stream, context.policy.counts.minimum));
        }
        Format::Opaque { format: "PDF", .. } => {
            merge(&mut facts, picture::pdf::read(&mut stream, context.policy.counts.minimum));
        }
        Format::Opaque { format: "JPEG", .. } => {
            merge(&mut facts, picture::jpeg::read(&mut stream, context.policy.counts.minimum));
        }
        Format::Opaque { .. } if inside::binary(stream.head()).is_some() => {
            if let Some(how) = inside::binary(stream.head()) {
                take_apart(&mut stream, how, context, budget, &mut facts);
            }
        }
        Format::Opaque { kind, format, detail } => {
            facts.kind = format.to_ascii_lowercase();
            // Nothing but refusal comes of these: the rest need not be read.
            proven = matches!(kind, OpaqueKind::GenotypeMatrix | OpaqueKind::HumanReads);
            facts.parts.push(Part::Opaque(Opaque { kind, format: format.into(), detail }));
        }
        Format::Bed { variant_major } => {
            let (found, stop) = {
                let length = stream.layers.is_empty().then_some(bytes);
                readers::bed::read(&mut stream, variant_major, length, context)
            };
            proven = stop;
            merge(&mut facts, found);
        }
        Format::Binary => {
            facts.problems.push(Problem::new(ProblemKind::NotText, "byte 0", hex(stream.head())))
        }
        Format::Text { .. } if inside::text(stream.head(), stream.head_is_all()).is_some() => {
            if let Some(how) = inside::text(stream.head(), stream.head_is_all()) {
                take_apart(&mut stream, how, context, budget, &mut facts);
            }
        }
        Format::Text { carriage } => {
            let shape = Shape::of(stream.head(), stream.head_is_all());
            let sample = Sample { head: stream.head(), whole: stream.head_is_all(), shape };
            let chosen = readers::choose(&sample, context);
            let mut blocks = Blocks::new(stream, carriage);
            let zeros;
            (proven, zeros) = text(&mut blocks, chosen, meter, context.crew, &mut facts, progress);
            facts.problems.extend(blocks.problem());
            if zeros && !proven {
                facts.problems.push(Problem::new(ProblemKind::NotText, "", "zero bytes in text"));
            }
            if facts.coverage.rows == 0 {
                (facts.coverage.rows, facts.coverage.unit) = (blocks.count(), "lines".into());
            }
            finish(&mut facts, blocks.stream(), meter, bytes, proven);
            return facts;
        }
    }
    finish(&mut facts, &mut stream, meter, bytes, proven);
    facts
}

/// Blocks read ahead of the one that readers take: always as many, so that what is read does not depend on who helps.
const AHEAD: usize = 8;

/// A block, and what its scout is about to say.
type Ahead = (Arc<Cut>, Option<Pending<Report>>);

/// Feeds every reader until the text ends or refusal is proven: was it, and were there zero bytes?
fn text(
    blocks: &mut Blocks<Stream>,
    chosen: Vec<Box<dyn TextReader>>,
    meter: &Meter,
    crew: &Crew,
    facts: &mut FileFacts,
    progress: &mut dyn FnMut(u64) -> bool,
) -> (bool, bool) {
    let mut readers: Vec<(Box<dyn TextReader>, bool)> = chosen.into_iter().map(|r| (r, true)).collect();
    let mut proven = false;
    let mut told = 0;
    let (mut odd, mut zeros) = (None, false);
    let mut ahead: VecDeque<Ahead> = VecDeque::new();
    loop {
        let scout = readers.iter().filter(|(_, reading)| *reading).find_map(|(r, _)| r.scout());
        read_ahead(blocks, scout.as_ref(), crew, &mut ahead);
        let Some((cut, pending)) = ahead.pop_front() else { break };
        let report = pending.and_then(|p| crew.take(&p));
        let text = cut.text();
        let (lines, glance) = match &report {
            Some(report) => (report.lines() as u64, report.glance),
            None => (lines::count(text), Glance::at(text)),
        };
        let outline = report.as_ref().map(Report::outline);
        let block = Block { text, first: blocks.passed(lines), outline };
        zeros |= glance.zeros;
        if zeros && meter.read() > HASH_WHOLE {
            // Zero bytes refuse the file; there may be terabytes of them.
            break;
        }
        if odd.is_none() && glance.foreign {
            odd = crate::encoding::undecodable(block.text, block.first);
        }
        for (reader, reading) in &mut readers {
            if *reading {
                let flow = match report.as_ref().filter(|_| reader.scout().is_some()) {
                    Some(report) => reader.scouted(&block, report),
                    None => reader.block(&block),
                };
                match flow {
                    Flow::More => {}
                    Flow::Proven => proven = true,
                    Flow::Leave => *reading = false,
                }
            }
        }
        if let Ok(cut) = Arc::try_unwrap(cut) {
            blocks.give_back(cut);
        }
        if proven {
            break;
        }
        if meter.read() >= told + STEP {
            told = meter.read();
            if !progress(told) {
                break;
            }
        }
    }
    facts.problems.extend(odd.filter(|_| !proven));
    for (reader, _) in readers {
        if reader.fallback() && !facts.parts.is_empty() {
            continue;
        }
        merge(facts, reader.finish());
    }
    (proven, zeros)
}

/// One block at least; several, where a scout can look at them meanwhile and none is so wide that memory would count.
fn read_ahead(
    blocks: &mut Blocks<Stream>,
    scout: Option<&Arc<dyn Scout>>,
    crew: &Crew,
    ahead: &mut VecDeque<Ahead>,
) {
    while ahead.len() < if scout.is_some() { AHEAD } else { 1 } {
        if ahead.iter().any(|(cut, _)| cut.is_wide()) {
            break;
        }
        let Some(cut) = blocks.cut() else { break };
        let cut = Arc::new(cut);
        let pending = scout.map(|scout| {
            let (scout, cut) = (Arc::clone(scout), Arc::clone(&cut));
            crew.give(move || {
                let report = scout.look(cut.text());
                drop(cut);
                report
            })
        });
        ahead.push_back((cut, pending));
    }
}

fn merge(facts: &mut FileFacts, found: Found) {
    if facts.kind == "unknown" && !found.kind.is_empty() {
        facts.kind = found.kind;
        (facts.coverage.rows, facts.coverage.unit) = (found.rows, found.unit.to_owned());
    }
    facts.parts.extend(found.parts);
    facts.problems.extend(found.problems);
}

/// Is something found that blocks the file whatever the rest of it holds?
fn refused(facts: &FileFacts) -> bool {
    use {OpaqueKind as O, ProblemKind as P};
    let opened = |kind| !matches!(kind, O::Reads | O::Model | O::Workbook | O::Picture);
    facts.problems.iter().any(|p| matches!(p.kind, P::NotText | P::LineTooLong | P::Bomb | P::TooWide))
        || facts.parts.iter().any(|p| matches!(p, Part::Opaque(opaque) if opened(opaque.kind)))
}

/// Reads what is left for the digest, and closes the account.
fn finish(facts: &mut FileFacts, stream: &mut Stream, meter: &Meter, bytes: u64, proven: bool) {
    // What is refused whatever else is in it need not be read to an end that may be terabytes away.
    let proven = proven || bytes > HASH_WHOLE && refused(facts);
    let opaque = facts.parts.iter().any(|p| matches!(p, Part::Opaque(_) | Part::BedMatrix(_)));
    if !proven || bytes <= HASH_WHOLE {
        // Through the layers, so that damage is found wherever it is.
        let mut sink = vec![0; SAMPLE];
        while matches!(stream.read(&mut sink), Ok(n) if n > 0) {}
    }
    facts.problems.extend(stream.problem().filter(|_| !proven || opaque));
    let whole = meter.read() == bytes;
    if whole {
        facts.sha256 = meter.sha256();
    } else if !proven && facts.problems.is_empty() {
        facts.problems.push(Problem::new(
            ProblemKind::NotInspected,
            "",
            "the file changed while it was read",
        ));
    }
    facts.coverage = Coverage {
        read: meter.read(),
        of: bytes,
        unwrapped: stream.unwrapped(),
        stopped_at_proof: proven,
        ..std::mem::take(&mut facts.coverage)
    };
}

fn hex(head: &[u8]) -> String {
    head.iter().take(16).fold(String::new(), |s, b| s + &format!("{b:02x}"))
}
