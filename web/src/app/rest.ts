// What the first view does without, as one file to load. See `rest` in later.ts.
export { Conversation } from "../chat/Conversation";
export { ConversationRating } from "../feedback/ConversationRating";
export { DialogView } from "./DialogView";
