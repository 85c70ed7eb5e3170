package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/softcsp/softcsp/ck"
)

// An input is a file that is read from its beginning to its end, or standard input.
type input struct {
	*os.File
	name  string
	known bool  // whether its size is known
	size  int64 // 0 where it is not
}

// read opens a file, "-" for standard input. The caller closes it.
func (a *app) read(name string) (*input, error) {
	if name == "-" {
		return &input{File: a.in, name: "standard input"}, nil
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && info.IsDir() {
		err = fmt.Errorf("%s is a directory", name)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	in := &input{File: f, name: name}
	if info.Mode().IsRegular() {
		in.known, in.size = true, info.Size()
		a.inputs = append(a.inputs, info)
	}
	return in, nil
}

// partSize is how much of a file is in memory at once.
const partSize = 1 << 16

// parts calls f with what a file holds, part by part, and tells how far it is.
func (a *app) parts(in io.Reader, size int64, doing string, f func(part []byte) error) error {
	part := make([]byte, partSize)
	defer clear(part)
	telling := a.progress(doing)
	defer telling.end()
	for done := int64(0); ; {
		n, err := in.Read(part)
		done += int64(n)
		telling.at(done, size)
		if n > 0 {
			if err := caught(func() error { return f(part[:n]) }); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// growing calls f with a buffer, and once more with one that is long enough where it says that the first is not.
func growing(buf []byte, f func(b *ck.Buffer) error) ([]byte, error) {
	b := ck.Into(buf)
	call := func() error { return f(&b) }
	err := caught(call)
	if errors.Is(err, ck.CKR_BUFFER_TOO_SMALL) {
		b = ck.Into(make([]byte, b.N))
		err = caught(call)
	}
	if err != nil {
		return nil, err
	}
	return b.Data[:b.N], nil
}

// caught calls f, and makes an error of the panic by which package ck says that there is not enough memory, as the C boundary does.
func caught(f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			rv, ok := p.(ck.RV)
			if !ok {
				panic(p)
			}
			err = rv
		}
	}()
	return f()
}
