package main

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// table is printed whole, with its figures to the right.
type table struct{ rows [][]string }

func newTable(what string, columns ...string) *table {
	return &table{[][]string{append([]string{what}, columns...)}}
}

func (t *table) row(name string, cells ...string) {
	t.rows = append(t.rows, append([]string{name}, cells...))
}

func (t *table) print() {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	for _, row := range t.rows {
		fmt.Fprintln(w, strings.Join(row, "\t")+"\t")
	}
	_ = w.Flush() // standard output
}

func quantile(d []time.Duration, q float64) time.Duration {
	if len(d) == 0 {
		return 0
	}
	s := slices.Sorted(slices.Values(d))
	return s[int(q*float64(len(s)-1))]
}

func ms(d []time.Duration, q float64) string { return millis(quantile(d, q)) }

// added is what the medians differ by.
func added(d, direct []time.Duration) string { return millis(quantile(d, 0.5) - quantile(direct, 0.5)) }

func millis(d time.Duration) string { return fmt.Sprintf("%.2f", float64(d.Microseconds())/1000) }
