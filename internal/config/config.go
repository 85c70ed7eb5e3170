// Package config finds out what is in force: the token directory, the store, the log, and from which source each setting
// comes.
//
// There is one configuration: the first of the text at pReserved, the file that $SOFTCSP_CONF names, the user's file and
// the system's file that exists. A setting that it leaves out comes from the environment, else from the defaults.
package config

import (
	"log/slog"
	"strconv"
)

// A Config is what is in force. The zero Config is not valid; Load makes one.
type Config struct {
	// File is the configuration file that was read, "" where there is none.
	File string
	// TokenDir is the directory of the token files, always absolute. It is "" where the store needs none and none
	// was named.
	TokenDir string
	// StateDir is where the process remembers what it has seen of tokens: best effort, "" for nowhere.
	StateDir string
	// Store is "bolt" or "memory".
	Store string
	// Durability is "full" (a commit is on the disk before the call returns) or "relaxed".
	Durability string
	// KDF names the cost of PINs for tokens that C_InitToken makes: "interactive", "sensitive" or "test".
	KDF string
	// MaxSessions is the limit of sessions per slot, 0 for none.
	MaxSessions uint
	// MaxTries is the number of failed logins after which a PIN is locked.
	MaxTries uint
	// ReadonlyLogin says that logins work where the token cannot be written to, with tries that this process alone counts.
	ReadonlyLogin bool
	// KeySeparation is "strict" (the known attacks on keys are kept off) or "standard" (no more than PKCS #11 asks for) for
	// tokens that C_InitToken makes, or "". A token that is there it can make stricter, not less strict.
	KeySeparation string
	// Removable says that the slots call themselves ones for removable devices, EmptySlot that the slot of a token that has yet to be
	// initialised is listed.
	Removable, EmptySlot bool
	// CSPToken is the label or serial number of the token that CryptoAPI's containers live in, "" for the first.
	CSPToken string
	// Log is "error", "info" or "debug", or "" for nothing; LogFile is where it goes, "" for stderr.
	Log, LogFile string
	// Policy is what the file leaves of the mechanisms, nil for everything.
	Policy *Policy
	// Why says for each setting, by its name in the file, where its value comes from.
	Why map[string]string

	out *output
}

// A setting is one key of the configuration. Its variable in the environment is SOFTCSP_ and its name in capitals.
type setting struct {
	name     string
	fallback string   // "" where the default is found otherwise or is none
	words    []string // the values that it can have, nil for any
	path     bool     // its value is a path: ~/ and relative ones are made absolute
	least    uint64   // the least number
	field    func(*Config) any
	// preset is what documents say of the default, "" where the fallback says it; about is what they say of the setting, in Markdown.
	preset, about string
}

var (
	onOff = []string{"", "error", "info", "debug"}
	yesNo = []string{"false", "true"} // of a setting whose field is a bool
)

// settings are the keys of the configuration, in the order in which they are shown.
var settings = []setting{
	{name: "tokendir", path: true, field: func(c *Config) any { return &c.TokenDir }, preset: "see below",
		about: "the directory of the token files; made on first use, mode 0700"},
	{name: "store", fallback: "bolt", words: []string{"bolt", "memory"}, field: func(c *Config) any { return &c.Store },
		about: "`memory`: tokens live in the process and leave nothing behind"},
	{name: "durability", fallback: "full", words: []string{"full", "relaxed"}, field: func(c *Config) any { return &c.Durability },
		about: "`relaxed`: a commit does not wait for the disk; for labs; shows in the flags of tokens made so"},
	{name: "kdf", fallback: "interactive", words: []string{"interactive", "sensitive", "test"}, field: func(c *Config) any { return &c.KDF },
		about: "cost of the PINs of tokens that `C_InitToken` makes: `interactive`, `sensitive`, `test`"},
	{name: "max_sessions", fallback: "0", field: func(c *Config) any { return &c.MaxSessions },
		about: "most sessions with one token in one process, 0 for no limit"},
	{name: "max_tries", fallback: "10", least: 1, field: func(c *Config) any { return &c.MaxTries },
		about: "wrong PINs in a row after which a PIN of a new token is locked"},
	{name: "readonly_login", fallback: "false", words: yesNo, field: func(c *Config) any { return &c.ReadonlyLogin },
		about: "`true`: a login works with a token that cannot be written to; wrong PINs are counted in memory then, see [hosts.md](hosts.md)"},
	{name: "key_separation", words: []string{"", "strict", "standard"}, field: func(c *Config) any { return &c.KeySeparation }, preset: "the token's",
		about: "`strict` or `standard`: how far the keys of tokens that `C_InitToken` makes are kept apart, see below; `strict` makes a token that is there stricter, too"},
	{name: "removable", fallback: "false", words: yesNo, field: func(c *Config) any { return &c.Removable },
		about: "`true`: slots have `CKF_REMOVABLE_DEVICE`, without which some programs take a token for built in and pass it over"},
	{name: "empty_slot", fallback: "true", words: yesNo, field: func(c *Config) any { return &c.EmptySlot },
		about: "`false`: `C_GetSlotList` leaves out the slot of the token that has yet to be initialised, for programs that stop on it"},
	{name: "csp_token", field: func(c *Config) any { return &c.CSPToken }, preset: "the first",
		about: "label or serial number of the token that the containers of [CryptoAPI](cryptoapi.md) live in"},
	{name: "log", words: onOff, field: func(c *Config) any { return &c.Log }, preset: "none",
		about: "`error`, `info` or `debug`, see [The log](#the-log)"},
	{name: "log_file", path: true, field: func(c *Config) any { return &c.LogFile }, preset: "standard error",
		about: "made with mode 0600"},
}

// Names returns the names of the settings, in the order in which they are shown.
func Names() []string {
	names := make([]string, len(settings))
	for i, s := range settings {
		names[i] = s.name
	}
	return names
}

// A Description is what documents say of a setting, in Markdown.
type Description struct{ Name, Default, About string }

// Describe returns the descriptions of all settings, in the order in which they are shown.
func Describe() []Description {
	list := make([]Description, len(settings))
	for i, s := range settings {
		list[i] = Description{s.name, s.preset, s.about}
		if s.preset == "" {
			list[i].Default = "`" + s.fallback + "`"
		}
	}
	return list
}

// Value returns a setting in force as text, "" for a name that is none.
func (c *Config) Value(name string) string {
	for _, s := range settings {
		if s.name != name {
			continue
		}
		switch f := s.field(c).(type) {
		case *string:
			return *f
		case *bool:
			return strconv.FormatBool(*f)
		case *uint:
			return strconv.FormatUint(uint64(*f), 10)
		}
	}
	return ""
}

// Logger returns the log of the configuration, one that discards where logging is off. It is never nil.
func (c *Config) Logger() *slog.Logger {
	if c == nil || c.out == nil {
		return slog.New(slog.DiscardHandler)
	}
	return c.out.logger
}

// Close closes the log file, if there is one. The log is discarded from then on.
func (c *Config) Close() error {
	if c == nil || c.out == nil {
		return nil
	}
	return c.out.close()
}
