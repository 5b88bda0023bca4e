//! Tables that share margins, against all tables of whole numbers that fit them.

use crate::facts::compared::{Entry, HiddenEntry, Margin, hash};
use crate::facts::{Comparable, FileFacts, Part};
use crate::rules::Scope;
use crate::{Policy, Verdict};
use proptest::prelude::*;
use std::collections::BTreeMap;

/// A cell by name: printed, or hidden as `<10`.
type Printed = (String, Option<u64>);

fn table(path: &str, cells: &[Printed], margins: &[(Vec<String>, String)]) -> FileFacts {
    let key = |name: &str| hash(&[name.as_bytes()]);
    let mut table = Comparable::default();
    for (name, cell) in cells {
        let (key, name) = (key(name), name.clone());
        match cell {
            Some(number) => table.entries.push(Entry { key, number: *number, name }),
            None => table.hidden.push(HiddenEntry { key, low: 0, high: 1000, name }),
        }
    }
    table.entries.sort();
    let margin = |(parts, total): &(Vec<String>, String)| Margin {
        parts: parts.iter().map(|p| key(p)).collect(),
        total: key(total),
    };
    table.margins = margins.iter().map(margin).collect();
    FileFacts { path: path.into(), parts: vec![Part::Comparable(table)], ..FileFacts::default() }
}

fn worst(files: &[FileFacts]) -> Option<Verdict> {
    let earlier = crate::earlier::Earlier::default();
    let found = super::super::differencing::judge(
        &Policy::default(),
        &Scope { plan: None, earlier: &earlier },
        files,
    );
    found.into_iter().map(|(_, f)| f.verdict).max()
}

fn cell(name: &str, value: impl Into<Option<u64>>) -> Printed {
    (name.to_owned(), value.into())
}

fn names(list: &[&str]) -> Vec<String> {
    list.iter().map(|n| (*n).to_owned()).collect()
}

/// Region by sex: the men of one region and its total are hidden.
fn by_sex() -> FileFacts {
    let cells = [
        cell("north male", None),
        cell("north female", 45),
        cell("north total", None),
        cell("south male", 60),
        cell("south female", 50),
        cell("south total", 110),
    ];
    let margins = [
        (names(&["north male", "north female"]), "north total".to_owned()),
        (names(&["south male", "south female"]), "south total".to_owned()),
    ];
    table("by_sex.csv", &cells, &margins)
}

#[test]
fn a_total_that_another_table_prints_gives_a_hidden_cell_back() {
    for (north, verdict) in [(46, Some(Verdict::Block)), (54, Some(Verdict::Block)), (55, None), (45, None)] {
        let by_age = table("by_age.csv", &[cell("north total", north), cell("south total", 110)], &[]);
        assert_eq!(worst(&[by_sex(), by_age]), verdict, "{north} in all: {} men", north - 45);
    }
    assert_eq!(worst(&[by_sex()]), None, "nothing follows from the table alone");
}

#[test]
fn what_one_table_hid_earlier_another_must_not_give_back_later() {
    let by_age = table("by_age.csv", &[cell("north total", 50), cell("south total", 110)], &[]);
    let earlier = crate::earlier::Earlier {
        releases: vec![crate::earlier::Release {
            request: "R-000003".into(),
            files: crate::earlier::keep(&[by_sex()]),
        }],
        missing: 0,
    };
    let scope = Scope { plan: None, earlier: &earlier };
    let found = super::super::differencing::judge(&Policy::default(), &scope, &[by_age]);
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].1.verdict, found[0].1.place.as_str()), (Verdict::Block, "R-000003/by_sex.csv"));
}

#[test]
fn a_row_made_up_to_contradict_does_not_keep_tables_apart() {
    let cells = [cell("north total", 50), cell("south total", 110), cell("south male", 7000)];
    assert_eq!(worst(&[by_sex(), table("b.csv", &cells, &[])]), Some(Verdict::Block));
}

#[test]
fn tables_of_other_people_are_left_apart() {
    let cells = [cell("north total", 50), cell("south total", 911), cell("south male", 7000)];
    assert_eq!(worst(&[by_sex(), table("b.csv", &cells, &[])]), None);
}

#[test]
fn a_table_of_which_cells_were_left_out_is_for_the_officer() {
    let mut cut = by_sex();
    if let Part::Comparable(table) = &mut cut.parts[0] {
        table.cut = true;
    }
    let other = table("b.csv", &[cell("south total", 110)], &[]);
    assert_eq!(worst(&[cut, other]), Some(Verdict::Review));
}

/// Two tables of two rows that share their row totals: `x y | row` and `p q | row`. Hidden as the flags say.
fn two_tables(values: &[u64; 6], hide: [bool; 10]) -> ([FileFacts; 2], Vec<Vec<Printed>>) {
    let mut tables = Vec::new();
    for (t, columns) in [["x", "y"], ["p", "q"]].iter().enumerate() {
        let mut cells = Vec::new();
        for row in 0..2 {
            // The second column of the second table is what is left of the row.
            let first = values[t * 4 + row];
            let total = values[row] + values[2 + row];
            let second = if t == 0 { values[2 + row] } else { total.saturating_sub(first) };
            let flag = |at: usize| hide[t * 4 + row * 2 + at];
            let show = |at: usize, v: u64| (!flag(at)).then_some(v);
            let first = if t == 0 { values[row] } else { first.min(total) };
            cells.push(cell(&format!("{row} {}", columns[0]), show(0, first)));
            cells.push(cell(&format!("{row} {}", columns[1]), show(1, second)));
            // Row totals are printed in one of the tables, or in both.
            let shown = t == 1 || !hide[8 + row];
            cells.push(cell(&format!("{row} total"), shown.then_some(total)));
        }
        cells.push(cell("cohort", 5000));
        tables.push(cells);
    }
    let margins = |columns: [&str; 2]| -> Vec<(Vec<String>, String)> {
        (0..2)
            .map(|r| {
                (vec![format!("{r} {}", columns[0]), format!("{r} {}", columns[1])], format!("{r} total"))
            })
            .collect()
    };
    let files =
        [table("a.csv", &tables[0], &margins(["x", "y"])), table("b.csv", &tables[1], &margins(["p", "q"]))];
    (files, tables)
}

/// By trying every value: does a hidden cell, or the hidden rest of a printed total, have a single value that is small?
fn enumerated(tables: &[Vec<Printed>]) -> bool {
    let mut cells: BTreeMap<&str, Option<u64>> = BTreeMap::new();
    for (name, value) in tables.iter().flatten() {
        let known = cells.entry(name).or_default();
        *known = known.or(*value);
    }
    let mut given = false;
    for row in 0..2 {
        let name = |column: &str| format!("{row} {column}");
        let value = |column: &str| cells[name(column).as_str()];
        for [a, b] in [["x", "y"], ["p", "q"]] {
            let (a, b, total) = (value(a), value(b), value("total").unwrap_or(u64::MAX));
            let fits: Vec<(u64, u64)> = (0..=90)
                .flat_map(|x| (0..=90).map(move |y| (x, y)))
                .filter(|(x, y)| a.is_none_or(|a| a == *x) && b.is_none_or(|b| b == *y) && x + y == total)
                .collect();
            let single = |values: Vec<u64>, hidden: bool| {
                let (low, high) = (values.iter().min(), values.iter().max());
                hidden && low == high && low.is_some_and(|v| (1..10).contains(v))
            };
            given |= single(fits.iter().map(|f| f.0).collect(), a.is_none());
            given |= single(fits.iter().map(|f| f.1).collect(), b.is_none());
            // Both hidden: they are the total's people.
            given |= a.is_none() && b.is_none() && (1..10).contains(&total);
        }
    }
    given
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]
    #[test]
    fn what_follows_from_two_tables_is_what_trying_every_value_finds(
        values in prop::array::uniform6(0_u64..40),
        hide in prop::array::uniform10(any::<bool>()),
    ) {
        let (files, tables) = two_tables(&values, hide);
        let together = enumerated(&tables);
        // What each says alone is the reader's to find, and is left out here.
        let alone = files.iter().any(|f| super::together(&[part(f)], 10).is_some_and(|v| !v.is_empty()))
            || [&tables[..1], &tables[1..]].iter().any(|t| lone(t));
        let verdict = worst(&files);
        if together && !alone {
            prop_assert_eq!(verdict, Some(Verdict::Block));
        }
        if !together {
            prop_assert_ne!(verdict, Some(Verdict::Block));
        }
    }
}

fn part(file: &FileFacts) -> &Comparable {
    match &file.parts[0] {
        Part::Comparable(table) => table,
        other => panic!("{other:?}"),
    }
}

/// Does one table by itself give something away? Cells of the other one are unknown.
fn lone(tables: &[Vec<Printed>]) -> bool {
    let mut all = tables.to_vec();
    let others: Vec<Printed> = (0..2)
        .flat_map(|r| ["x", "y", "p", "q", "total"].map(|c| format!("{r} {c}")))
        .filter(|n| !tables.iter().flatten().any(|(name, _)| name == n))
        .map(|n| (n, None))
        .collect();
    all.push(others);
    enumerated(&all)
}
