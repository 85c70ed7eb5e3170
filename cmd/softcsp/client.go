package main

import (
	"bytes"
	"cmp"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"strings"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/config"
	"github.com/softcsp/softcsp/layers/calllog"
	"github.com/softcsp/softcsp/store"
	"github.com/softcsp/softcsp/token"
)

// A client is an initialised module with the settings that it runs under. It knows the token through Cryptoki alone; the
// store tells what Cryptoki has no words for, the tries that a PIN has left.
type client struct {
	ck.Cryptoki
	module *token.Module // the same, for what Cryptoki has no function for
	cfg    *config.Config
	app    *app
	broken []broken // what tokens has passed over
}

// A broken token is one of which not even the label can be read.
type broken struct {
	slot         ck.SlotID
	serial, file string // the file is "" where the store has none
	err          error
}

// Error says which token it is, and what is wrong.
func (b broken) Error() string { return errorOf(cmp.Or(b.file, "the token "+b.serial), b.err).Error() }

func (b broken) Unwrap() error { return b.err }

// reserved is the pReserved text for the flags of the program and the pairs given.
func (a *app) reserved(pairs ...string) (string, error) {
	if a.tokenDir != "" {
		pairs = append(pairs, "tokendir", a.tokenDir)
	}
	if a.conf != "" {
		pairs = append(pairs, "conf", a.conf)
	}
	text, err := config.Reserved(pairs...)
	return text, a.asTyped(err)
}

// settings returns what is in force under the flags of the program.
func (a *app) settings() (*config.Config, error) {
	text, err := a.reserved()
	if err != nil {
		return nil, err
	}
	return a.load(text)
}

// load returns the settings of a text that reserved made.
func (a *app) load(text string) (*config.Config, error) {
	cfg, err := config.Load(text)
	return cfg, a.asTyped(err)
}

// asTyped tells what is wrong with the settings as what was typed, the flags, and not as the text that is made of them.
func (a *app) asTyped(err error) error {
	if err == nil {
		return nil
	}
	said := strings.TrimPrefix(err.Error(), ck.CKR_ARGUMENTS_BAD.Error()+": ")
	typed := strings.NewReplacer("configuration named by pReserved", "--conf "+a.conf, "pReserved: tokendir", "--tokendir "+a.tokenDir, "pReserved: ", "")
	told := errors.New(typed.Replace(said))
	if path := (*fs.PathError)(nil); errors.As(err, &path) {
		return &unread{told, path}
	}
	return told
}

// An unread is the error of a configuration file that cannot be read.
type unread struct {
	error
	path *fs.PathError
}

func (e *unread) Unwrap() error { return e.path }

// open starts the module with the settings in force and the pairs given. The caller closes it.
func (a *app) open(pairs ...string) (*client, error) {
	text, err := a.reserved(pairs...)
	if err != nil {
		return nil, err
	}
	cfg, err := a.load(text)
	if err != nil {
		return nil, err
	}
	if err := a.placeIsThere(cfg); err != nil {
		return nil, err
	}
	m := token.New()
	if err := m.Initialize(ck.InitArgs{Reserved: text, Flags: ck.CKF_OS_LOCKING_OK}); err != nil {
		return nil, explain("starting", err)
	}
	return &client{Cryptoki: a.watched(m), module: m, cfg: cfg, app: a}, nil
}

// placeIsThere refuses a --tokendir that is not there, which may be a slip, and would be made: commands that make tokens make it.
func (a *app) placeIsThere(cfg *config.Config) error {
	if a.tokenDir == "" || a.makesTokens || store.Volatile(cfg) {
		return nil
	}
	if _, err := os.Stat(cfg.TokenDir); errors.Is(err, fs.ErrNotExist) {
		return notFound("--tokendir %s: there is no such directory\nsoftcsp token init makes it, with a token", a.tokenDir)
	}
	return nil
}

// watched returns the module, with a layer over it that writes its calls to standard error where --verbose asks for that.
func (a *app) watched(m *token.Module) ck.Cryptoki {
	if !a.verbose {
		return m
	}
	log := slog.New(slog.NewTextHandler(a.err, &slog.HandlerOptions{Level: slog.LevelDebug}))
	return ck.Intercept(m, calllog.New(m, log))
}

// scratch starts a module of its own that leaves nothing behind, with a token without PINs worth the name. The caller closes the client
// of the session.
func (a *app) scratch() (*session, error) {
	m := token.New()
	if err := m.Initialize(ck.InitArgs{Reserved: "store='memory' kdf='test'"}); err != nil {
		return nil, explain("starting", err)
	}
	c := &client{Cryptoki: a.watched(m), module: m, app: a}
	s, err := c.blank("scratch")
	if err != nil {
		c.close()
		return nil, explain("making a token in memory", err)
	}
	return s, nil
}

// blank makes a token of that name in memory and opens a session with it.
func (c *client) blank(name string) (*session, error) {
	id, err := c.module.EmptySlot()
	if err != nil {
		return nil, err
	}
	if err := c.InitToken(id, []byte("scratch"), label(name)); err != nil {
		return nil, err
	}
	info, err := c.GetTokenInfo(id)
	if err != nil {
		return nil, err
	}
	return c.session(tok{id, info})
}

func (c *client) close() {
	c.Finalize()
	c.cfg.Close()
}

// label pads a token's label to the 32 bytes that C_InitToken takes.
func label(s string) []byte {
	return append([]byte(s), bytes.Repeat([]byte{' '}, max(0, labelLen-len(s)))...)
}

const labelLen = 32

// A tok is a token that is initialised, and the slot that it is in.
type tok struct {
	slot ck.SlotID
	info ck.TokenInfo
}

// tokens returns the tokens there are, and the slot of the one that can be initialised. It notes in c.broken those that it passes over.
func (c *client) tokens() (list []tok, free ck.SlotID, err error) {
	slots, err := c.GetSlotList(true)
	if err != nil {
		return nil, 0, explain("listing slots", err)
	}
	c.broken = nil
	for _, s := range slots {
		info, err := c.GetTokenInfo(s)
		switch {
		case errors.Is(err, ck.CKR_SLOT_ID_INVALID), errors.Is(err, ck.CKR_TOKEN_NOT_PRESENT):
			continue // gone since
		case err != nil:
			b := broken{slot: s, err: err}
			b.serial, b.file = c.fileOf(s)
			c.broken = append(c.broken, b)
		case info.Flags&ck.CKF_TOKEN_INITIALIZED == 0:
		default:
			list = append(list, tok{s, info})
		}
	}
	free, err = c.module.EmptySlot()
	return list, free, err
}

// fileOf returns the serial number and the file of the token in a slot, of which nothing can be read. The slot's description has the one, and
// the name of the other begins with it.
func (c *client) fileOf(s ck.SlotID) (serial, file string) {
	info, err := c.GetSlotInfo(s)
	if err != nil || store.Volatile(c.cfg) {
		return "", ""
	}
	words := strings.Fields(info.SlotDescription)
	for i := range words[:max(0, len(words)-1)] {
		if words[i] == "slot" {
			serial = words[i+1]
		}
	}
	place, err := store.OpenPlace(c.cfg)
	if err != nil {
		return serial, ""
	}
	defer place.Close()
	list, _, _ := place.List()
	for _, uuid := range list {
		if strings.HasPrefix(strings.ReplaceAll(uuid, "-", ""), serial) {
			return serial, store.Locate(c.cfg, uuid)
		}
	}
	return serial, ""
}

// where names the place of the tokens, for people.
func (c *client) where() string { return store.Locate(c.cfg, "") }

// infos returns what the store tells of the tokens that can be read, by their serial numbers. Volatile ones are in another
// process.
func (c *client) infos() (map[string]store.Info, error) {
	infos := make(map[string]store.Info)
	if store.Volatile(c.cfg) {
		return infos, nil
	}
	place, err := store.OpenPlace(c.cfg)
	if err != nil {
		return nil, err
	}
	defer place.Close()
	list, _, err := place.List()
	if err != nil {
		return nil, err
	}
	for _, uuid := range list {
		t, err := place.Token(uuid)
		if err != nil {
			return nil, err
		}
		if i, err := t.Info(); err == nil {
			infos[i.Serial] = i
		}
	}
	return infos, nil
}
