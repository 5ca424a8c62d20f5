package main

import (
	"cmp"
	"fmt"
	"runtime/debug"
	"strings"
)

// versionCmd says which program this is.
type versionCmd struct{}

// Run prints one line.
func (c *versionCmd) Run(std *streams) error { //nolint:unparam // as every command
	info, ok := debug.ReadBuildInfo()
	if !ok {
		info = new(debug.BuildInfo)
	}
	_, _ = fmt.Fprintln(std.Out, versionLine(info))
	return nil
}

// versionLine is «odziv v1.2.3 (commit 0123abc of 2026-11-20T14:03:00Z, changed since; go1.26.8)».
func versionLine(info *debug.BuildInfo) string {
	settings := map[string]string{}
	for _, s := range info.Settings {
		settings[s.Key] = s.Value
	}
	var about []string
	if commit := settings["vcs.revision"]; commit != "" {
		text := "commit " + commit[:min(12, len(commit))]
		if at := settings["vcs.time"]; at != "" {
			text += " of " + at
		}
		if settings["vcs.modified"] == "true" {
			text += ", changed since"
		}
		about = append(about, text)
	}
	about = append(about, cmp.Or(info.GoVersion, "unknown toolchain"))
	return fmt.Sprintf("odziv %s (%s)", cmp.Or(info.Main.Version, "(devel)"), strings.Join(about, "; "))
}
