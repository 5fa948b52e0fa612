/** Why a metric says nothing; the text goes to conditions and events. */
export class NoProposal extends Error {}

/** What is said within gets more words before it. */
export async function saying<T>(words: string, step: () => Promise<T> | T): Promise<T> {
  try {
    return await step();
  } catch (error) {
    if (error instanceof NoProposal) throw new NoProposal(`${words}: ${error.message}`);
    throw error;
  }
}
