package token

import (
	"log/slog"
	"sync"
	"sync/atomic"

	"github.com/softcsp/softcsp/internal/config"
	"github.com/softcsp/softcsp/internal/locked"
	"github.com/softcsp/softcsp/store"
)

// A Core is what the applications of a process have in common: the place of the tokens, the slots, the token objects that were read, the
// keys that logins opened, and what keys have been used for. The first application that initialises opens it, and the last that
// finalises closes it. The configuration of the first says where the tokens are and what new ones are like; for everything else
// each application has its own configuration.
type Core struct {
	slots      slotList
	lastUnique atomic.Uint64 // the last CKA_UNIQUE_ID that a session object may have
	eraser     eraser

	mu       sync.Mutex // serialises opening and closing
	users    int        // how many applications are initialised
	config   *config.Config
	place    *store.Place
	volatile map[string]*store.Place // of each kind whose tokens end with the process
	log      *slog.Logger
}

// NewCore returns a core that no application uses.
func NewCore() *Core { return &Core{volatile: make(map[string]*store.Place)} }

// NewModule returns a module that is not initialised, for one of several applications over the core.
func (c *Core) NewModule() *Module { return &Module{core: c} }

// open opens the core for one more application. The core keeps the configuration of the first.
func (c *Core) open(cfg *config.Config) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.users == 0 {
		place, err := c.openPlace(cfg)
		if err != nil {
			return err
		}
		c.config, c.place, c.log = cfg, place, cfg.Logger()
	}
	c.users++
	return nil
}

// openPlace opens the place of the tokens. Volatile ones live as long as the process, through any number of C_Finalize.
func (c *Core) openPlace(cfg *config.Config) (*store.Place, error) {
	if place := c.volatile[cfg.Store]; place != nil {
		return place, nil
	}
	place, err := store.OpenPlace(cfg)
	if err == nil && store.Volatile(cfg) {
		c.volatile[cfg.Store] = place
	}
	return place, err
}

// close ends the use of the core by an application, whose configuration is cfg. The last one closes it.
func (c *Core) close(cfg *config.Config) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.users--
	if cfg != c.config {
		cfg.Close()
	}
	if c.users > 0 {
		return nil
	}
	c.slots.forget()
	c.place.ForgetPINs()
	err := error(nil)
	if !store.Volatile(c.config) {
		err = c.place.Close()
	}
	locked.Drain()
	c.config.Close()
	c.config, c.place, c.log = nil, nil, nil
	return err
}
