package ck

// A Buffer is the caller's output buffer, under the two-call convention of PKCS#11 section 5.2 ("Conventions for
// functions returning output in a variable-length buffer"). The zero Buffer is a length query.
type Buffer struct {
	// Data is the caller's memory, as long as the caller says it is. It is meaningless in a length query.
	Data []byte
	// Has says that the caller gave memory; without it the call is a length query.
	Has bool
	// N is the answer: how many bytes were written, are needed, or UnavailableInformation.
	N uint
}

// Into makes a Buffer over dst.
func Into(dst []byte) Buffer { return Buffer{Data: dst, Has: true} }

// Fill runs produce when the buffer can hold need bytes, and never otherwise, so that a length query and a short
// buffer cannot disturb an operation. It sets N in every case: to what produce returned, or to need. A short buffer is
// CKR_BUFFER_TOO_SMALL. When produce fails N is 0.
func (b *Buffer) Fill(need int, produce func(dst []byte) (int, error)) error {
	if !b.Has {
		b.N = uint(need)
		return nil
	}
	if len(b.Data) < need {
		b.N = uint(need)
		return CKR_BUFFER_TOO_SMALL
	}
	n, err := produce(b.Data)
	b.N = uint(n)
	if err != nil {
		b.N = 0
	}
	return err
}

// FillWith fills the buffer with src.
func (b *Buffer) FillWith(src []byte) error {
	return b.Fill(len(src), func(dst []byte) (int, error) { return copy(dst, src), nil })
}

// Query reports whether a call with this buffer, for which need bytes are needed, asks for a length or has a buffer
// that is too small, and so must leave the operation as it is.
func (b *Buffer) Query(need int) bool { return !b.Has || len(b.Data) < need }
