// What came in a number of clocks ago, one more than `clocks`; its bits map to shift registers that are read anywhere.
module variable_delay #(parameter WIDTH = 1, parameter CLOCKS = 1, parameter BITS = 1) (input clk, input [WIDTH - 1:0] inp, input [BITS - 1:0] clocks, output [WIDTH - 1:0] out);
    generate
        genvar i;
        for (i = 0; i < WIDTH; i = i + 1) begin : one
            reg [CLOCKS - 1:0] chain;
            always @(posedge clk)
                chain <= {chain, inp[i]};
            assign out[i] = chain[clocks];
        end
    endgenerate
endmodule
