/** The types of `kedge/testing`, into the folder `to`, which is made anew. Gives the number of files. */
export declare function buildTypes(where: { root: string; to: string }): Promise<number>;
