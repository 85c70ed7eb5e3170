package blockmode

import "crypto/cipher"

// NewCFB returns the cipher feedback mode with segments of so many bytes: SP 800-38A, 6.3. A last segment may be shorter.
func NewCFB(b cipher.Block, iv []byte, segment int, decrypt bool) cipher.Stream {
	f := &feedback{block: b, size: b.BlockSize(), segment: segment, back: cipherText}
	if decrypt {
		f.back = input
	}
	copy(f.reg[:], iv)
	return f
}

// NewOFB returns the output feedback mode: of SP 800-38A, 6.4, where a segment is a block, and of FIPS 81 with shorter ones.
func NewOFB(b cipher.Block, iv []byte, segment int) cipher.Stream {
	f := &feedback{block: b, size: b.BlockSize(), segment: segment, back: keyStream}
	copy(f.reg[:], iv)
	return f
}

// NewBitCFB returns the cipher feedback mode with segments of a bit: SP 800-38A, 6.3. The greatest bit of each byte comes first.
func NewBitCFB(b cipher.Block, iv []byte, decrypt bool) cipher.Stream {
	f := &bitFeedback{block: b, size: b.BlockSize(), decrypt: decrypt}
	copy(f.reg[:], iv)
	return f
}

// What a feedback mode feeds back into its register.
const (
	cipherText = iota // what it writes: CFB encryption
	input             // what it reads: CFB decryption
	keyStream         // what the cipher gave: OFB
)

// A feedback is a cipher in a feedback mode.
type feedback struct {
	block         cipher.Block
	size, segment int // of the block and of what is fed back at a time
	back          int
	reg, out      [maxBlock]byte // the register, and the cipher of it
	used          int            // bytes of the segment that are used up
}

func (f *feedback) XORKeyStream(dst, src []byte) {
	for i, in := range src {
		if f.used == 0 {
			f.block.Encrypt(f.out[:f.size], f.reg[:f.size])
			copy(f.reg[:f.size-f.segment], f.reg[f.segment:f.size])
		}
		key := f.out[f.used]
		dst[i] = in ^ key
		fed := dst[i]
		switch f.back {
		case input:
			fed = in
		case keyStream:
			fed = key
		}
		f.reg[f.size-f.segment+f.used] = fed
		if f.used++; f.used == f.segment {
			f.used = 0
		}
	}
}

// A bitFeedback is CFB with segments of a bit.
type bitFeedback struct {
	block    cipher.Block
	size     int
	decrypt  bool
	reg, out [maxBlock]byte
}

func (f *bitFeedback) XORKeyStream(dst, src []byte) {
	for i, in := range src {
		out := byte(0)
		for bit := 7; bit >= 0; bit-- {
			f.block.Encrypt(f.out[:f.size], f.reg[:f.size])
			from := in >> bit & 1
			to := from ^ f.out[0]>>7
			out |= to << bit
			if f.decrypt {
				f.shift(from)
			} else {
				f.shift(to)
			}
		}
		dst[i] = out
	}
}

// shift puts a bit of the ciphertext into the register.
func (f *bitFeedback) shift(bit byte) {
	last := f.size - 1
	for i := range f.reg[:last] {
		f.reg[i] = f.reg[i]<<1 | f.reg[i+1]>>7
	}
	f.reg[last] = f.reg[last]<<1 | bit
}
