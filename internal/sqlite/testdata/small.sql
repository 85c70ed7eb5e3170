-- What the database of the fuzzer is made of: sqlite3 -cmd 'pragma page_size=512' small.seed < small.sql
create table t(data blob, id integer primary key);
insert into t(data) values (1), (null), ('text'), (zeroblob(700));
