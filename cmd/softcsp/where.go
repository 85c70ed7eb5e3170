package main

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/softcsp/softcsp/internal/config"
)

// A settingRow is a setting as where shows it.
type settingRow struct {
	Name  string `json:"name"`
	Value string `json:"value"`
	Why   string `json:"why"`
}

func where(a *app) *cobra.Command {
	var t choice
	var only string
	c := &cobra.Command{
		Use:   "where [NAME]",
		Short: "Show settings, the library, and what to paste for programs",
		Long: `Shows which configuration file and token directory are in force, every other setting, and where each comes from. Programs
that load the library with a pReserved text of their own, or as another user, may see others.

Then it shows the library that programs load, and what to paste into a shell so that OpenSSL, ssh, p11-kit and Java use the
token: the one that is named, or the only one. KEY stands there for the label of a key, HOST for a machine.

--only NAME prints the value of one setting and nothing else, for scripts: library, say.`,
		Example: "  softcsp where\n  softcsp where lab\n  MODULE=$(softcsp where --only library)",
		RunE: func(c *cobra.Command, _ []string) error {
			cfg, err := a.settings()
			if err != nil {
				return err
			}
			if only != "" {
				return a.showSetting(c, cfg, t, only)
			}
			meant, err := a.tokenToPaste(cfg, t)
			if err != nil {
				return err
			}
			return a.showWhere(cfg, meant)
		},
	}
	c.Flags().StringVar(&only, "only", "", "print the value of the setting with this `name`")
	_ = c.RegisterFlagCompletionFunc("only", func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return append(config.Names(), "configuration", "library"), cobra.ShellCompDirectiveNoFileComp
	})
	t.addName(a, c)
	return lists(a, c)
}

// tokenToPaste returns the token that is named, or the only one, or else one whose label is to be filled in: none where there is no token at all.
// Nothing is made for that.
func (a *app) tokenToPaste(cfg *config.Config, t choice) (tok, error) {
	if absent(cfg.TokenDir) != "" && t.name == "" {
		return tok{}, nil
	}
	c, err := a.open()
	if err != nil {
		return someToken, err
	}
	defer c.close()
	meant, err := c.pick(t)
	if err != nil && t.name == "" {
		if exitCode(err) == exitNotFound {
			return tok{}, nil
		}
		return someToken, nil // this command says where to look for what is wrong
	}
	return meant, err
}

// settingRows are the settings in force.
func settingRows(cfg *config.Config) []settingRow {
	rows := []settingRow{{"configuration", cfg.File, ""}}
	if cfg.File == "" {
		rows[0].Why = "none of the places has one"
	}
	for _, name := range config.Names() {
		// What a flag says reaches the settings as a program's own text would.
		why := strings.ReplaceAll(cfg.Why[name], "pReserved", "the command line")
		rows = append(rows, settingRow{name, cfg.Value(name), why})
	}
	rows[1].Why += absent(cfg.TokenDir)
	if cfg.Policy != nil {
		rows = append(rows, settingRow{"policy", "of " + cfg.Policy.String(), cfg.File})
	}
	return rows
}

// libraryRow is the library that programs load.
func libraryRow() settingRow {
	library, there := libraryPath()
	why := "what programs load"
	if !there {
		why = "where make install puts it; it is not there"
	}
	return settingRow{"library", library, why}
}

// showSetting prints one value, for which no token is looked at.
func (a *app) showSetting(c *cobra.Command, cfg *config.Config, t choice, name string) error {
	if t.name != "" {
		return usage(c, fmt.Errorf("--only prints a setting, which no token has: leave %q out", t.name))
	}
	rows := append(settingRows(cfg), libraryRow())
	var words []string
	for _, r := range rows {
		words = append(words, r.Name)
	}
	i := slices.Index(words, wordMeant(name, words))
	if i < 0 {
		return usage(c, notAWord("--only", name, words, ""))
	}
	return a.show(rows[i], nil, [][]string{{rows[i].Value}})
}

// pasteLater stands in place of lines to paste where there is no token that they could be for.
const pasteLater = "there is no token yet: with one, what to paste for OpenSSL, ssh, p11-kit and Java stands here"

func (a *app) showWhere(cfg *config.Config, t tok) error {
	library := libraryRow()
	rows := append(settingRows(cfg), library)
	var text [][]string
	for _, r := range rows {
		text = append(text, []string{r.Name, dash(r.Value), r.Why})
	}
	lines := a.linesFor(library.Value, t)
	for _, l := range lines {
		rows = append(rows, settingRow{l.Client, l.Lines, "what to paste"})
	}
	if err := a.show(rows, []string{"SETTING", "VALUE", "WHY"}, text); err != nil || a.json {
		return err
	}
	if t.isNone() {
		lines = append(lines, clientLines{pasteLater, "softcsp token init --label NAME"})
	}
	_, err := fmt.Fprintf(a.out, "\n%s\n", pasted(lines))
	return err
}

// absent says that a directory is not there, which is no mistake: it is made on first use.
func absent(dir string) string {
	if _, err := os.Stat(dir); dir == "" || err == nil {
		return ""
	}
	return "; made on first use"
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// A versionInfo is what version shows.
type versionInfo struct {
	Version string `json:"version"`
	Go      string `json:"go"`
	OS      string `json:"os"`
	Arch    string `json:"arch"`
}

func showVersion(a *app) *cobra.Command {
	return lists(a, &cobra.Command{
		Use:     "version",
		Short:   "Show the version",
		Long:    "Shows the version of softcsp, and what it was built with.",
		Example: "  softcsp version",
		Args:    exactly(0, ""),
		RunE: func(*cobra.Command, []string) error {
			v := versionInfo{Version: thisVersion(), Go: runtime.Version(), OS: runtime.GOOS, Arch: runtime.GOARCH}
			rows := [][]string{{"softcsp " + v.Version + " " + v.OS + "/" + v.Arch + " " + v.Go}}
			return a.show(v, nil, rows)
		},
	})
}
