package main

import (
	"os"
	"runtime"
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
	return lists(a, &cobra.Command{
		Use:   "where",
		Short: "Show which settings are in force, and why",
		Long: `Shows which configuration file and token directory are in force, every other setting, and where each comes from. Programs
that load the library with a pReserved text of their own, or as another user, may see others.`,
		Example: "  softcsp where",
		Args:    exactly(0, ""),
		RunE: func(*cobra.Command, []string) error {
			cfg, err := a.settings()
			if err != nil {
				return explain("settings", err)
			}
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
			var text [][]string
			for _, r := range rows {
				text = append(text, []string{r.Name, dash(r.Value), r.Why})
			}
			return a.show(rows, []string{"SETTING", "VALUE", "WHY"}, text)
		},
	})
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
