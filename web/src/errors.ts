/** The file is damaged, cut off, of another kind, or needs something that this decoder lacks. */
export class FormatError extends Error {
  override name = "FormatError";
}

/** The model that the file needs cannot be had. */
export class ModelError extends Error {
  override name = "ModelError";
}
