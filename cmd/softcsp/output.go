package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
)

// lists gives a command that lists things the flag --json.
func lists(a *app, c *cobra.Command) *cobra.Command {
	c.Flags().BoolVar(&a.json, "json", false, "write JSON")
	return c
}

// show writes v as JSON if that is asked for, and the rows of a table otherwise.
func (a *app) show(v any, head []string, rows [][]string) error {
	if a.json {
		e := json.NewEncoder(a.out)
		e.SetIndent("", "  ")
		return e.Encode(v)
	}
	if len(rows) == 0 {
		return nil
	}
	w := tabwriter.NewWriter(a.out, 0, 8, 2, ' ', 0)
	if head != nil {
		fmt.Fprintln(w, strings.Join(head, "\t"))
	}
	for _, r := range rows {
		fmt.Fprintln(w, strings.Join(r, "\t"))
	}
	return w.Flush()
}

// note tells the user something that is not part of the answer.
func (a *app) note(format string, args ...any) {
	fmt.Fprintf(a.err, "softcsp: "+format+"\n", args...)
}
