import remarkMath from "remark-math";
import temml from "temml";
import "temml/dist/Temml-Local.css";

// Loaded when the first text with maths is drawn.

/** Knows `$$…$$`; what else is maths, `withMaths` has written so. */
export const plugin: [typeof remarkMath, { singleDollarTextMath: boolean }] = [remarkMath, { singleDollarTextMath: false }];

/**
 * Draws TeX as MathML, which browsers lay out and screen readers read by
 * themselves. It makes elements and sets their style through the object model:
 * no HTML is parsed, and the Content Security Policy allows it. Throws where the
 * TeX is wrong. Links, classes and macros without end are not to be had from it.
 */
export function draw(tex: string, place: HTMLElement, display: boolean): void {
  temml.render(tex, place, { displayMode: display, throwOnError: true, trust: false, maxSize: [25, 50], maxExpand: 500 });
}
