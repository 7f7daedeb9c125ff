export const S3_KEYS: { readonly accessKeyId: string; readonly secretAccessKey: string }
