package weierstrass

// P192 is the shortest of the curves of FIPS 186-4, D.1.2.1, which FIPS 186-5 has no more: for what was signed with it.
var P192 = newCurve("P-192", 192,
	"fffffffffffffffffffffffffffffffeffffffffffffffff",
	"fffffffffffffffffffffffffffffffefffffffffffffffc",
	"64210519e59c80e70fa7e9ab72243049feb8deecc146b9b1",
	"188da80eb03090f67cbf20eb43a18800f4ff0afd82ff1012",
	"07192b95ffc8da78631011ed6b24cdd573f977a11e794811",
	"ffffffffffffffffffffffff99def836146bc9b1b4d22831")
