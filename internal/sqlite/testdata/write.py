# Writes a database as programs leave theirs, and what is in it: write.py FILE PAGESIZE HOW
import json, random, sqlite3, sys

name, page, how = sys.argv[1], int(sys.argv[2]), sys.argv[3].split(',')
random.seed(sys.argv[3] + str(page))
db = sqlite3.connect(name, isolation_level=None)
db.execute('pragma page_size=%d' % page)
db.execute('pragma synchronous=off')
if 'autovacuum' in how:
    db.execute('pragma auto_vacuum=full')
if 'incremental' in how:
    db.execute('pragma auto_vacuum=incremental')
if 'secure' in how:
    db.execute('pragma secure_delete=on')
if 'wal' in how or 'open-wal' in how:
    assert db.execute('pragma journal_mode=wal').fetchone() == ('wal',)
if 'persist' in how:
    db.execute('pragma journal_mode=persist')
db.execute('create table a (value blob,type integer,object_id integer,id integer primary key autoincrement)')
db.execute('create table b (name text,id integer primary key)')
db.execute('create index by_type on a (type,object_id)')
db.execute('create table empty (x integer)')


def content():
    n = random.choice((0, 1, 7, 30, page // 40, random.randrange(2000), random.choice((page // 4, page - 36, page - 35, page - 34, page, 3 * page + 5))))
    return random.randbytes(n)


def fill(rows):
    db.execute('begin')
    for i in range(rows):
        db.execute('insert into a (value,type,object_id) values (?,?,?)', (content(), random.choice((0, 1, -1, 127, 128, -129, 1 << 31, -1 << 40, (1 << 63) - 1)), i))
        db.execute('insert into b (name) values (?)', ('\u00e4' * random.randrange(40),))
    db.execute('commit')


fill(200)
if 'deleted' in how:
    db.execute('delete from a where id % 3 = 0')
    db.execute('delete from b where id between 50 and 250')
    db.execute('update a set value = ? where id % 7 = 0', (b'x' * 2500,))
    fill(20)
    db.execute('delete from a where id > 60 and id < 200')
if 'added' in how:
    db.execute('alter table b add column more integer')
    fill(10)
if 'emptied' in how:
    db.execute('delete from a')
if 'vacuum' in how:
    db.execute('vacuum')
if 'incremental' in how:
    db.execute('pragma incremental_vacuum(5)').fetchall()
said = {
    'free': db.execute('pragma freelist_count').fetchone()[0], 'pages': db.execute('pragma page_count').fetchone()[0],
    'a': [[r[0].hex(), *r[1:]] for r in db.execute('select value,type,object_id,id from a order by id')],
    'b': [list(r) for r in db.execute('select name,id from b order by id')],
}
assert db.execute('pragma page_size').fetchone() == (page,)
print(json.dumps(said), flush=True)
if 'open-wal' in how:
    sys.stdin.read()  # the changes are in the log as long as the database is open
db.close()
