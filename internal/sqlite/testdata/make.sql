-- What the databases of the tests are made of: sqlite3 -cmd 'pragma page_size=512' rows512.db < make.sql, and so with 4096 and 65536.
-- sqlite_test.go says what each row must have.
create table numbers(n integer, id integer primary key autoincrement);
create table contents (
  label text,
  data blob,
  missing integer,
  number real,
  id integer primary key);
create index by_label on contents(label);
with recursive i(x) as (select 0 union all select x + 1 from i where x < 63) insert into numbers(n) select 1 << x from i;
insert into numbers(n) select -n from numbers where n > 0;
insert into numbers(n) values (0), (1), (-1);
with recursive i(x) as (select 1 union all select x + 1 from i where x < 60) insert into contents(label, data, number, id) select printf('%.*c', x, 'x'), cast(printf('%.*c', 17 * x, 'y') as blob), x / 2.0, 3 * x from i;
delete from contents where id % 2 = 0;
update contents set data = zeroblob(5000) where id = 9;
