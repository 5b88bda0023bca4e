# SQLite in a workspace: a write-ahead log in shared memory, two writers, a vacuum
sqlite3 d.db 'pragma journal_mode=wal; create table t(x integer primary key, y text);'
for writer in a b; do
    sqlite3 d.db ".timeout 20000" "with recursive n(i) as (select 1 union all select i+1 from n where i < 500) insert into t(y) select '$writer' || i from n;" & done; wait
sqlite3 d.db 'select count(*), count(distinct y) from t; delete from t where x % 2; vacuum; pragma integrity_check; select count(*) from t;'
sqlite3 d.db '.backup copy.db' && sqlite3 copy.db .dump | wc -l
