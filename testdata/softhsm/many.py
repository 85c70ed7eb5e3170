# Makes a token of many objects of another in SoftHSM2's SQLite store: many.py FROM TO COUNT PAGESIZE [vacuum]
#
# FROM is a database, or the JSON of a token of the file store: a list of objects, each a list of [table, type, value]. Copies differ in the
# flags of their use alone, which SoftHSM2 does not encrypt. The tables are those of sqlite3.db beside this file.
import itertools, json, os, sqlite3, sys

source, target, count, page = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
tables = ('attribute_boolean', 'attribute_integer', 'attribute_binary', 'attribute_array')
flags = (0x104, 0x105, 0x106, 0x107, 0x108, 0x10A, 0x10B, 0x10C, 0x170, 0x171, 0x172)  # CKA_ENCRYPT to CKA_DERIVE, CKA_MODIFIABLE and its like
schema = sqlite3.connect('file:%s?mode=ro' % os.path.join(os.path.dirname(__file__), 'sqlite3.db'), uri=True)


def objects():
    if source.endswith('.json'):
        for o in json.load(open(source)):
            yield [(t, k, bytes.fromhex(v) if isinstance(v, str) else v) for t, k, v in o]
        return
    db = sqlite3.connect('file:%s?mode=ro' % source, uri=True)
    for (n,) in db.execute('select id from object order by id'):
        yield [(t, k, v) for t in tables for v, k in db.execute('select value,type from %s where object_id=? order by id' % t, (n,))]


db = sqlite3.connect(target, isolation_level=None)
db.execute('pragma page_size=%d' % page)
db.execute('pragma synchronous=off')
for (sql,) in schema.execute("select sql from sqlite_master where name not like 'sqlite_%'"):
    db.execute(sql)


def insert(o):
    n = db.execute('insert into object default values').lastrowid
    for table, kind, value in o:
        db.execute('insert into %s (value,type,object_id) values (?,?,?)' % table, (value, kind, n))
    return n


def copies(o):
    own = [i for i, (t, k, _) in enumerate(o) if t == 'attribute_boolean' and k in flags]
    for bits in itertools.product((0, 1), repeat=len(own)):
        c = list(o)
        for i, bit in zip(own, bits):
            c[i] = (c[i][0], c[i][1], c[i][2] ^ bit)
        yield c


db.execute('begin')
all = list(objects())
insert(all[0])  # the token
made, sources = 0, [copies(o) for o in all[1:]]
while sources and made < count:
    for s in list(sources):
        c = next(s, None)
        if c is None:
            sources.remove(s)
        elif made < count:
            insert(c)
            made += 1
            if made % 5 == 0:  # one that is deleted again, as SoftHSM2 does: its attributes go with it
                n = insert(c)
                for t in ('object where id', *(x + ' where object_id' for x in tables)):
                    db.execute('delete from %s=?' % t, (n,))
db.execute('commit')
if 'vacuum' in sys.argv:
    db.execute('vacuum')
assert db.execute('pragma page_size').fetchone() == (page,)
print(made)
