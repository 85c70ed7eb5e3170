package mechanisms

import (
	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/algorithm/blockmode"
	"github.com/softcsp/softcsp/internal/algorithm/xts"
)

var xtsKeys = []ck.KeyType{ck.CKK_AES_XTS}

// usingHalvesApart marks a row that uses the halves of the key apart from each other, whatever the parameter.
func usingHalvesApart(m Mechanism) Mechanism {
	m.UsesHalvesApart = func(ck.Param) bool { return true }
	return m
}

// aesModeRows are the modes of AES that take lengths other than whole blocks without padding them: ciphertext stealing, XTS and
// CFB by single bits.
var aesModeRows = []Mechanism{
	aesRow(ck.CKM_AES_CTS, cts),
	streamRow(ck.CKM_AES_CFB1, aesKeys, 16, 32, cfb1),
	keyGen(ck.CKM_AES_XTS_KEY_GEN, ck.CKK_AES_XTS),
	usingHalvesApart(blockRow(ck.CKM_AES_XTS, xtsKeys, 32, 64, aesXTS)),
}

// A stealing is a Cipher of a mode with ciphertext stealing. The end of the data is the last whole block and what follows it, and is processed
// together. So of data that comes in parts it keeps back what may be the end.
type stealing struct {
	decrypt bool
	blocks  func(data []byte) // processes whole blocks, in place
	end     func(data []byte) // processes the end, in place
	buf     [2 * aesBlock]byte
	n       int
}

var _ LengthChecker = (*stealing)(nil)

// before returns how many of n bytes certainly come before the end.
func (s *stealing) before(n int) int { return max(n/aesBlock-1, 0) * aesBlock }

func (s *stealing) WholeLen(n int) int  { return n }
func (s *stealing) UpdateLen(n int) int { return s.before(s.n + n) }
func (s *stealing) FinalLen() int       { return s.n }

// CheckWhole wants a block at least.
func (s *stealing) CheckWhole(n int) error {
	switch {
	case n >= aesBlock:
		return nil
	case s.decrypt:
		return ck.CKR_ENCRYPTED_DATA_LEN_RANGE
	}
	return ck.CKR_DATA_LEN_RANGE
}

// CheckUpdate allows a part of any length.
func (s *stealing) CheckUpdate(int) error { return nil }

// CheckFinal wants a block at least of all parts together.
func (s *stealing) CheckFinal() error { return s.CheckWhole(s.n) }

func (s *stealing) Whole(dst, src []byte) (int, error) {
	if err := s.CheckWhole(len(src)); err != nil {
		return 0, err
	}
	data := dst[:copy(dst, src)]
	n := s.before(len(data))
	s.blocks(data[:n])
	s.end(data[n:])
	return len(data), nil
}

func (s *stealing) Update(dst, src []byte) (int, error) {
	out := s.UpdateLen(len(src))
	if out == 0 {
		s.n += copy(s.buf[s.n:], src)
		return 0, nil
	}
	dst = dst[:out]
	if shared, exact := overlap(dst, src); shared && (s.n > 0 || !exact) {
		src = ck.Clone(src)
		defer clear(src)
	}
	held := copy(dst, s.buf[:s.n])
	taken := copy(dst[held:], src)
	s.n = copy(s.buf[:], s.buf[held:s.n])
	s.n += copy(s.buf[s.n:], src[taken:])
	s.blocks(dst)
	return out, nil
}

func (s *stealing) Final(dst []byte) (int, error) {
	if err := s.CheckFinal(); err != nil {
		return 0, err
	}
	data := dst[:copy(dst, s.buf[:s.n])]
	s.end(data)
	clear(s.buf[:])
	return len(data), nil
}

// cts is CBC with ciphertext stealing. PKCS #11 names the addendum to SP 800-38A, which has three variants, but no variant: it is CBC-CS1, as in
// other libraries.
func cts(decrypt bool) beginFunc {
	return func(k *Key, p *ck.Param) (Cipher, error) {
		b, iv, err := readIVParam(k, p, keyedAES, ivField)
		if err != nil {
			return nil, err
		}
		mode := newCBC(b, append([]byte(nil), iv...), decrypt)
		s := &stealing{decrypt: decrypt, blocks: func(data []byte) { mode.CryptBlocks(data, data) }}
		s.end = func(data []byte) { blockmode.StealEncrypt(mode, data) }
		if decrypt {
			s.end = func(data []byte) { blockmode.StealDecrypt(b, mode, data) }
		}
		return s, nil
	}
}

func prepareXTS(k *Key) (any, error) {
	half := len(k.Value) / 2
	if half != 16 && half != 32 { // SP 800-38E has no AES-192
		return nil, ck.CKR_KEY_SIZE_RANGE
	}
	data, err := newAES(k.Value[:half])
	if err != nil {
		return nil, err
	}
	tweak, err := newAES(k.Value[half:])
	return xts.New(data, tweak), err
}

// aesXTS is XTS (SP 800-38E and IEEE 1619), with the number of the data unit as the parameter, the least byte first. All of the
// data is one unit.
func aesXTS(decrypt bool) beginFunc {
	return func(k *Key, p *ck.Param) (Cipher, error) {
		unit := p.Fixed(aesBlock)
		if err := p.Done(); err != nil {
			return nil, err
		}
		form, err := k.Prepared(ck.CKM_AES_XTS, prepareXTS)
		if err != nil {
			return nil, err
		}
		u := form.(*xts.Cipher).NewUnit(unit, decrypt)
		return &stealing{decrypt: decrypt, blocks: u.Blocks, end: u.End}, nil
	}
}

// cfb1 is the cipher feedback mode of SP 800-38A, 6.3, with segments of a bit, the greatest of each byte first.
func cfb1(decrypt bool) beginFunc {
	return func(k *Key, p *ck.Param) (Cipher, error) {
		b, iv, err := readIVParam(k, p, keyedAES, ivField)
		if err != nil {
			return nil, err
		}
		return newStream(blockmode.NewBitCFB(b, iv, decrypt)), nil
	}
}
