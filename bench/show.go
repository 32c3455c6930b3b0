package main

import (
	"fmt"
	"strings"

	"github.com/tarnlake/tarn/bench/result"
)

// show prints a result as it comes.
func (b *bench) show(r *result.Work) {
	fmt.Printf("\n%-24s %s, %d rows, %d threads\n", r.Name, r.Data, r.Rows, r.Threads)
	if len(r.Growth) == 0 {
		line(r.Unit, r.Ours, false)
	}
	for _, p := range r.Peers {
		line(r.Unit, p, true)
	}
	for _, c := range r.Growth {
		showCurve(c)
	}
	for _, t := range r.Targets {
		fmt.Printf("    against %-22s %7.2f times; target %g%s: %s\n", t.Against, t.Ratio, t.Least, aimText(t.Aim), verdict(t))
	}
	for _, n := range r.Notes {
		fmt.Printf("    %s\n", n)
	}
}

func line(unit string, f result.Figure, peer bool) {
	ratio, cold := "", ""
	if peer && f.Ratio > 0 {
		ratio = fmt.Sprintf("%7.2f×", f.Ratio)
	}
	if f.Cold > 0 {
		cold = fmt.Sprintf("  cold %9.2f %s", f.Cold, unit)
	}
	if peer && f.ColdRatio > 0 {
		cold += fmt.Sprintf(" %6.2f×", f.ColdRatio)
	}
	fmt.Printf("  %-20s %10.3f %-5s %8s%s\n", f.Engine, f.Median, unit, ratio, cold)
}

func showCurve(c result.Curve) {
	var parts []string
	for _, p := range c.Points {
		parts = append(parts, fmt.Sprintf("%d rows %.1f ms %.0f MB", p.Rows, p.Millis, p.PeakMB))
	}
	fmt.Printf("  %-14s %-18s %s\n", c.Engine, c.Query, strings.Join(parts, "; "))
}

func aimText(aim float64) string {
	if aim == 0 {
		return ""
	}
	return fmt.Sprintf(", aim %.3g", aim)
}

func verdict(t result.Target) string {
	switch {
	case t.Met && t.Aim > 0 && t.Aimed:
		return "met, and the aim"
	case t.Met:
		return "met"
	}
	return "MISSED"
}
