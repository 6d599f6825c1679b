import { Observable } from "../app/observable";

/** The conversation whose rating was asked for in its menu. */
export const ratingWanted = new Observable<string | undefined>(undefined);
